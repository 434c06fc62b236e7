/* owner: lets root work in a folder of another user. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include "base/fault.h"

/* If this process is root and FOLDER belongs to another user, becomes that user permanently. Root's
 * own rights in the folder do not matter, and a file that root makes there would lock the owner
 * out. Otherwise, or if there is no FOLDER, does nothing. */
int owner_become(const char *folder, struct fault *fault);

#endif
