/* handover: something that goes from one thread to another through an epoll set: all that was done
 * before epoll_ctl has happened for the thread that gets the event, because both calls take the
 * same lock in the kernel. ThreadSanitizer knows this of EPOLL_CTL_ADD, and not of EPOLL_CTL_MOD.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#ifdef __has_feature
#define HANDOVER_CLANG_THREAD __has_feature(thread_sanitizer)
#else
#define HANDOVER_CLANG_THREAD 0
#endif

#if defined(__SANITIZE_THREAD__) || HANDOVER_CLANG_THREAD
#include <sanitizer/tsan_interface.h>
#define HANDOVER_GIVE(object) __tsan_release(object)
#define HANDOVER_TAKE(object) __tsan_acquire(object)
#else
#define HANDOVER_GIVE(object) ((void)(object))
#define HANDOVER_TAKE(object) ((void)(object))
#endif

#endif
