/* push_message_receiver: the interface for an application behind the platform's callback.
 *
 * The platform's document says that an application inherits PushMessageReceiver and overrides the
 * callbacks it wants. Here it fills in a struct of callbacks and calls run with its arguments. The
 * program then is the FastCGI receiver, with the options, the log, the store and the status file of
 * upgrade-receiver (which is the same with no callback filled in).
 *
 * A callback gets each notification after it is durable, in the order of seq, at least once. When
 * it returns 0, a cursor in the store moves on. When it returns anything else, it is called again
 * with growing pauses, and later notifications wait. Neither delays or fails the answer to the
 * platform. After a crash, delivery goes on at the cursor, so the last notifications may come
 * again: compare their tokens. A repeat by the platform is not delivered. The status file shows the
 * backlog.
 *
 * An application that records its position keeps the token, not the seq. If an older copy of the
 * store is put back, delivery goes on at the cursor in that copy. Then a seq that was delivered
 * before comes again with another notification; a token never does. */
#ifndef PUSH_MESSAGE_RECEIVER_H
#define PUSH_MESSAGE_RECEIVER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One notification as it is kept. Valid, with all it points to, until the callback returns. */
struct push_notification {
    int64_t seq;         /* its number, in commit order; see token */
    const char *token;   /* LIFE:SEQ, 36 characters at most: no other notification ever has it */
    int64_t received_ms; /* when it was received, in milliseconds since 1970 */
    const char
        *notify_type;   /* notifyType; RESOURCE.EVENT of an envelope; "" if the body has none */
    const char *body;   /* the JSON text, terminated by a NUL */
    size_t body_length; /* its bytes, without the NUL */
    const json_t *json; /* the same, parsed: read it, do not change it, do not keep it */
};

/* Bodies of the upgrade family. The members have the names of the platform's document. A missing
 * member is NULL; a number (upgradeTime, step) is given as its decimal digits. */

struct push_sw_upgrade_state_change {
    const char *deviceId, *appId, *operationId, *subOperationId;
    const char *swUpgradeState; /* downloading, downloaded, updating, idle, and others */
};

struct push_sw_upgrade_result {
    const char *deviceId, *appId, *operationId, *subOperationId;
    const char *curVersion, *targetVersion, *sourceVersion;
    const char *swUpgradeResult; /* SUCCESS or FAIL */
    const char *upgradeTime;     /* a duration, in a unit that the document does not name */
    const char *resultDesc, *errorCode, *description;
};

struct push_fw_upgrade_state_change {
    const char *deviceId, *appId, *operationId, *subOperationId;
    const char *step; /* 0 idle, 1 downloading, 2 downloaded, 3 updating */
    const char *stepDesc;
};

struct push_fw_upgrade_result {
    const char *deviceId, *appId, *operationId, *subOperationId;
    const char *curVersion, *targetVersion, *sourceVersion;
    const char *status; /* SUCCESS or FAIL */
    const char *statusDesc;
    const char *upgradeTime;
};

/* A callback that reads the notification's body as JSON. Returns 0 when the notification is done.
 */
typedef int push_handler(void *application, const struct push_notification *notification);

/* The callbacks that an application overrides. Zero the struct, so that members of later versions
 * are NULL too. All callbacks run in one thread, one after the other, never in the thread that
 * called run.
 */
struct push_message_receiver {
    void *application; /* handed to every callback; may be NULL */

    /* Names the cursor, for several applications on one store, one after the other; NULL:
     * "application". 1 to 63 characters. If several processes on one store have the same name, one
     * delivers at a time. */
    const char *name;

    int (*handle_sw_upgrade_state_change)(void *application,
                                          const struct push_notification *notification,
                                          const struct push_sw_upgrade_state_change *change);
    int (*handle_sw_upgrade_result)(void *application, const struct push_notification *notification,
                                    const struct push_sw_upgrade_result *result);
    int (*handle_fw_upgrade_state_change)(void *application,
                                          const struct push_notification *notification,
                                          const struct push_fw_upgrade_state_change *change);
    int (*handle_fw_upgrade_result)(void *application, const struct push_notification *notification,
                                    const struct push_fw_upgrade_result *result);

    push_handler *handle_device_added;
    push_handler *handle_bind_device;
    push_handler *handle_device_info_changed;
    push_handler *handle_device_data_changed;
    push_handler *handle_device_datas_changed;
    push_handler *handle_device_deleted;
    push_handler *handle_message_confirm;
    push_handler *handle_command_rsp;
    push_handler *handle_device_event;
    push_handler *handle_service_info_changed;
    push_handler *handle_rule_event;
    push_handler *handle_device_desired_properties_modify_status_changed;
    push_handler *handle_device_capabilities_added;
    push_handler *handle_device_capabilities_changed;
    push_handler *handle_device_capabilities_deleted;
    push_handler *handle_device_model_added;
    push_handler *handle_device_model_deleted;
    push_handler *handle_command_status; /* the body without a notifyType */
    push_handler *handle_other;          /* a notifyType without a callback of its own */
};

/* Runs the receiver with the command line of the program (ARGC and ARGV of main) until SIGTERM or
 * SIGINT. Returns the exit code for main: 0 stopped by a signal, 1 the store, log or system cannot
 * be used, 2 wrong usage. RECEIVER is lent. Call it once, from main, before the program starts
 * other threads: it blocks signals, and expects the listening socket on file descriptor 0. */
int push_message_receiver_run(const struct push_message_receiver *receiver, int argc, char **argv);

/* The library's version, such as "0.1.0". */
const char *push_message_receiver_version(void);

#ifdef __cplusplus
}
#endif

#endif
