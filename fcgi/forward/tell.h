/* tell: what an operator asks of a forwarder, or tells it: status, resend, resume. */
#ifndef FORWARD_TELL_H
#define FORWARD_TELL_H

#include "base/buffer.h"
#include "base/fault.h"
#include "forward/settings.h"

/* Each appends to OUT what is to be printed. */
int tell_status(const struct settings *settings, struct buffer *out, struct fault *fault);
int tell_resend(const struct settings *settings, struct buffer *out, struct fault *fault);
int tell_resume(const struct settings *settings, struct buffer *out, struct fault *fault);

#endif
