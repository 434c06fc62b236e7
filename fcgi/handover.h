/* handover: something that goes from one thread to another through an epoll set: all that was done
 * before epoll_ctl has happened for the thread that gets the event, because both calls take the
 * same lock in the kernel. ThreadSanitizer knows this of EPOLL_CTL_ADD, and not of EPOLL_CTL_MOD;
 * and it takes a close behind the event for one that may come before epoll_ctl looks at the
 * descriptor. Said once, here. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <sys/epoll.h>

#ifdef __has_feature
#define HANDOVER_CLANG_THREAD __has_feature(thread_sanitizer)
#else
#define HANDOVER_CLANG_THREAD 0
#endif

#if defined(__SANITIZE_THREAD__) || HANDOVER_CLANG_THREAD
#include <sanitizer/tsan_interface.h>
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#else
#define __tsan_release(object) ((void)(object))
#define __tsan_acquire(object) ((void)(object))
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

/* epoll_ctl, by which the object that EVENT points at may be another thread's when this returns. */
static inline int handover_give(int epoll, int operation, int fd, struct epoll_event *event)
{
    __tsan_release(event->data.ptr);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    int result = epoll_ctl(epoll, operation, fd, event);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    return result;
}

/* For the thread that got the event, before it touches OBJECT. */
static inline void handover_take(void *object)
{
    __tsan_acquire(object);
}

#endif
