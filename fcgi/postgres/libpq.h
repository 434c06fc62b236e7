/* libpq: PostgreSQL's client library. It is opened when shared books are asked for, and not linked:
 * a receiver of one machine needs none of it. */
#ifndef POSTGRES_LIBPQ_H
#define POSTGRES_LIBPQ_H

#include "base/fault.h"

#include <libpq-fe.h>

#define LIBPQ_FUNCTIONS(X)  \
    X(PQclear)              \
    X(PQconnectPoll)        \
    X(PQconnectStartParams) \
    X(PQconninfo)           \
    X(PQconninfoFree)       \
    X(PQconninfoParse)      \
    X(PQconsumeInput)       \
    X(PQerrorMessage)       \
    X(PQfinish)             \
    X(PQflush)              \
    X(PQfreemem)            \
    X(PQgetisnull)          \
    X(PQgetlength)          \
    X(PQgetResult)          \
    X(PQgetvalue)           \
    X(PQisBusy)             \
    X(PQnfields)            \
    X(PQntuples)            \
    X(PQresultErrorField)   \
    X(PQresultErrorMessage) \
    X(PQresultStatus)       \
    X(PQsendQuery)          \
    X(PQsendQueryParams)    \
    X(PQsetErrorVerbosity)  \
    X(PQsetNoticeReceiver)  \
    X(PQsetnonblocking)     \
    X(PQsocket)             \
    X(PQstatus)

/* The functions, under their own names. */
struct libpq {
#define LIBPQ_MEMBER(name) __typeof__(&name) name;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
};

/* Opens the library, which stays open until the process ends, and fills in LIBPQ. */
int libpq_open(struct libpq *libpq, struct fault *fault);

#endif
