/* fault: why something failed, in a text for the operator. */
#include "config.h"

#include "base/fault.h"

#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, const char *format, ...)
{
    if (fault == NULL || fault->set)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    fault->set = true;
    return -1;
}

int fault_set_errno(struct fault *fault, int errno_value, const char *format, ...)
{
    if (fault == NULL || fault->set)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(fault->text);
    snprintf(fault->text + used, sizeof fault->text - used, ": %s", strerror(errno_value));
    fault->set = true;
    return -1;
}

int fault_add(struct fault *fault, const char *format, ...)
{
    if (fault == NULL || !fault->set)
        return -1;
    char where[FAULT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(where, sizeof where, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length > sizeof where - 3)
        length = (int)sizeof where - 3;
    memcpy(where + length, ": ", 3);

    size_t shift = (size_t)length + 2;
    size_t keep = strlen(fault->text);
    if (keep > sizeof fault->text - 1 - shift)
        keep = sizeof fault->text - 1 - shift;
    memmove(fault->text + shift, fault->text, keep);
    memcpy(fault->text, where, shift);
    fault->text[shift + keep] = '\0';
    return -1;
}
