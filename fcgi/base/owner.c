/* owner: lets root work in a folder of another user. */
#include "config.h"

#include "base/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

int owner_become(const char *folder, struct fault *fault)
{
    struct stat status;
    if (geteuid() != 0 || stat(folder, &status) != 0 || status.st_uid == 0)
        return 0;
    const struct passwd *user = getpwuid(status.st_uid);
    gid_t group = user != NULL ? user->pw_gid : status.st_gid;
    int groups = user != NULL ? initgroups(user->pw_name, group) : setgroups(1, &group);
    if (groups != 0 || setgid(group) != 0 || setuid(status.st_uid) != 0)
        return fault_set_errno(fault, errno, "cannot become user %ld, who owns %s",
                               (long)status.st_uid, folder);
    return 0;
}
