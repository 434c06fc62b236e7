/* owner: root's work in a folder that belongs to another user. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include "base/fault.h"

/* If this process is root's and FOLDER belongs to another user, becomes that user, for good: what
 * root can do in it is not what matters, and a file that root makes there locks the owner out.
 * Otherwise, or if there is no FOLDER, does nothing. */
int owner_become(const char *folder, struct fault *fault);

#endif
