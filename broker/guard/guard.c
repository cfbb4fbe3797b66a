/* The guard: a Mosquitto plugin that refuses what access files can not.
 *
 *   in      every CONNECT, PUBLISH, SUBSCRIBE and delivery of the listener that loads it
 *   decides access.c
 *   answer  refuse, or defer to the password and access files, which must agree as well
 *   control kick <device>, from handlers and operators
 *
 * It runs in the broker's only thread: a crash stops everybody and a wait stalls everybody. Hence
 * no input or output besides the broker's own log, no locks, and no memory but what initialising
 * takes. The same file is loaded once by each listener, so that all state is in `struct guard`,
 * none is static.
 */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "broker/guard/access.h"

enum {
    /* Refusals are logged by user: a name falls into one of the slots, each of which may write so
     * many lines in a period. A device that is refused all day therefore neither fills the disk nor
     * hides the others, and the memory for it is fixed. */
    kLogSlots = 64,
    kLogLinesPerSlot = 5,
    kLogPeriodSeconds = 60,
    kLogTextMax = 160,
};

enum action {
    ACTION_CONNECT,
    ACTION_PUBLISH,
    ACTION_SUBSCRIBE,
    ACTION_READ,
    ACTION_CONTROL,
    kActions
};
static const char* const kActionNames[kActions] = {"connect", "publish", "subscribe", "read",
                                                   "control"};

struct log_slot {
    time_t period_began;
    uint32_t lines;
    uint32_t unlogged;
};

struct guard {
    mosquitto_plugin_id_t* id;
    enum kl_listener listener;
    struct log_slot slots[kLogSlots];
    uint64_t refused[kActions];
    uint64_t kicked;
};

int mosquitto_plugin_version(int supported_version_count, const int* supported_versions);
int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void** userdata,
                          struct mosquitto_opt* options, int option_count);
int mosquitto_plugin_cleanup(void* userdata, struct mosquitto_opt* options, int option_count);

static const char* listener_name(const struct guard* guard) {
    return guard->listener == KL_LISTENER_DEVICES ? "devices" : "services";
}

/* A client chooses these texts, so that nothing but printable ASCII may reach the log: one line
 * stays one. */
static const char* printable(const char* text, char out[kLogTextMax + 1]) {
    size_t i = 0;
    for (; text && text[i] && i < kLogTextMax; ++i) {
        const unsigned char c = (unsigned char)text[i];
        out[i] = (char)(c >= 0x20 && c < 0x7F ? c : '?');
    }
    out[i] = '\0';
    return out;
}

static struct log_slot* slot_of(struct guard* guard, const char* name) {
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; name && *name; ++name) hash = (hash ^ (unsigned char)*name) * 16777619U;
    return &guard->slots[hash % kLogSlots];
}

static void note_refusal(struct guard* guard, enum action action, const char* name,
                         const char* subject, const char* reason) {
    char name_text[kLogTextMax + 1];
    char subject_text[kLogTextMax + 1];
    struct timespec now = {0, 0};
    struct log_slot* slot = slot_of(guard, name);

    ++guard->refused[action];
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (slot->lines == 0 || now.tv_sec - slot->period_began >= kLogPeriodSeconds) {
        if (slot->unlogged > 0) {
            mosquitto_log_printf(MOSQ_LOG_WARNING, "guard: %s: %u more refusals were not logged",
                                 listener_name(guard), slot->unlogged);
        }
        *slot = (struct log_slot){now.tv_sec, 0, 0};
    }
    if (slot->lines >= kLogLinesPerSlot) {
        ++slot->unlogged;
        return;
    }
    ++slot->lines;
    mosquitto_log_printf(MOSQ_LOG_WARNING, "guard: %s: refused %s of '%s' by '%s': %s",
                         listener_name(guard), kActionNames[action],
                         printable(subject, subject_text), printable(name, name_text), reason);
}

static void log_totals(const struct guard* guard) {
    mosquitto_log_printf(MOSQ_LOG_NOTICE,
                         "guard: %s: refused so far: connect %llu publish %llu subscribe %llu read "
                         "%llu control %llu, kicked %llu",
                         listener_name(guard), (unsigned long long)guard->refused[ACTION_CONNECT],
                         (unsigned long long)guard->refused[ACTION_PUBLISH],
                         (unsigned long long)guard->refused[ACTION_SUBSCRIBE],
                         (unsigned long long)guard->refused[ACTION_READ],
                         (unsigned long long)guard->refused[ACTION_CONTROL],
                         (unsigned long long)guard->kicked);
}

static const char kNotAKick[] = "not a 'kick <device>'";

static int on_connect(int event, void* event_data, void* userdata) {
    struct guard* guard = userdata;
    const struct mosquitto_evt_basic_auth* connect = event_data;
    (void)event;
    if (kl_role_of(guard->listener, connect->username) == KL_ROLE_NONE) {
        note_refusal(guard, ACTION_CONNECT, connect->username,
                     mosquitto_client_address(connect->client), "no user of this listener");
        return MOSQ_ERR_AUTH;
    }
    return MOSQ_ERR_PLUGIN_DEFER;
}

static int on_access(int event, void* event_data, void* userdata) {
    struct guard* guard = userdata;
    const struct mosquitto_evt_acl_check* check = event_data;
    const char* name = mosquitto_client_username(check->client);
    const enum kl_role role = kl_role_of(guard->listener, name);
    enum action action = ACTION_READ;
    kl_refusal refusal = NULL;
    (void)event;

    switch (check->access) {
        case MOSQ_ACL_SUBSCRIBE:
            action = ACTION_SUBSCRIBE;
            refusal = kl_why_not_subscribe(role, name, check->topic);
            break;
        case MOSQ_ACL_WRITE:
            action = ACTION_PUBLISH;
            refusal =
                kl_why_not_publish(role, name, check->topic, check->retain, check->payloadlen);
            break;
        case MOSQ_ACL_READ:
            refusal = kl_why_not_read(role, name, check->topic);
            break;
        case MOSQ_ACL_UNSUBSCRIBE:
            return MOSQ_ERR_PLUGIN_DEFER; /* Giving something up needs no right. */
        default:
            refusal = "unknown kind of access";
            break;
    }
    /* Here and not in on_control(), whose answer this version of the broker does not pass on. */
    if (!refusal && action == ACTION_PUBLISH && strcmp(check->topic, KL_CONTROL_TOPIC) == 0) {
        char device[KL_DEVICE_NAME_MAX + 1];
        if (!kl_parse_kick(check->payload, check->payloadlen, device)) {
            action = ACTION_CONTROL;
            refusal = kNotAKick;
        }
    }
    if (!refusal) return MOSQ_ERR_PLUGIN_DEFER;
    note_refusal(guard, action, name, check->topic, refusal);
    return MOSQ_ERR_ACL_DENIED;
}

/* The broker has asked on_access() before; role and payload are looked at again, because that a
 * control message is also an ordinary publish is this version's way only. Refusing is silent here:
 * any other answer than success would cut the client off. */
static int on_control(int event, void* event_data, void* userdata) {
    struct guard* guard = userdata;
    const struct mosquitto_evt_control* control = event_data;
    const char* name = mosquitto_client_username(control->client);
    const enum kl_role role = kl_role_of(guard->listener, name);
    char device[KL_DEVICE_NAME_MAX + 1];
    (void)event;

    if (kl_why_not_publish(role, name, control->topic, control->retain, control->payloadlen) ||
        !kl_parse_kick(control->payload, control->payloadlen, device)) {
        note_refusal(guard, ACTION_CONTROL, name, control->topic, kNotAKick);
        return MOSQ_ERR_SUCCESS;
    }
    /* The client id is the user name on both listeners, and is found without walking all clients.
     * Its will is sent, so that everybody learns at once that the device is gone. */
    if (mosquitto_kick_client_by_clientid(device, true) == MOSQ_ERR_SUCCESS) ++guard->kicked;
    return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void* event_data, void* userdata) {
    (void)event;
    (void)event_data;
    log_totals(userdata);
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int supported_version_count, const int* supported_versions) {
    for (int i = 0; i < supported_version_count; ++i) {
        if (supported_versions[i] == 5) return 5;
    }
    return -1;
}

static const struct {
    int event;
    MOSQ_FUNC_generic_callback callback;
    const char* argument;
} kCallbacks[] = {
    {MOSQ_EVT_BASIC_AUTH, on_connect, NULL},
    {MOSQ_EVT_ACL_CHECK, on_access, NULL},
    {MOSQ_EVT_CONTROL, on_control, KL_CONTROL_TOPIC},
    {MOSQ_EVT_RELOAD, on_reload, NULL},
};
enum { kCallbackCount = sizeof kCallbacks / sizeof kCallbacks[0] };

int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void** userdata,
                          struct mosquitto_opt* options, int option_count) {
    const char* listener = NULL;
    struct guard* guard = NULL;
    for (int i = 0; i < option_count; ++i) {
        if (strcmp(options[i].key, "listener") == 0) listener = options[i].value;
    }
    /* Without a known listener the guard would have to guess who may connect: rather no broker. */
    if (!listener || (strcmp(listener, "devices") != 0 && strcmp(listener, "services") != 0)) {
        mosquitto_log_printf(MOSQ_LOG_ERR,
                             "guard: plugin_opt_listener must be 'devices' or 'services'");
        return MOSQ_ERR_INVAL;
    }
    guard = mosquitto_calloc(1, sizeof *guard);
    if (!guard) return MOSQ_ERR_NOMEM;
    guard->id = identifier;
    guard->listener = strcmp(listener, "devices") == 0 ? KL_LISTENER_DEVICES : KL_LISTENER_SERVICES;
    *userdata = guard;

    for (int i = 0; i < kCallbackCount; ++i) {
        const int failed = mosquitto_callback_register(
            identifier, kCallbacks[i].event, kCallbacks[i].callback, kCallbacks[i].argument, guard);
        if (failed) {
            mosquitto_log_printf(MOSQ_LOG_ERR, "guard: %s: event %d can not be registered: %d",
                                 listener, kCallbacks[i].event, failed);
            return failed;
        }
    }
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: %s: on guard", listener);
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void* userdata, struct mosquitto_opt* options, int option_count) {
    struct guard* guard = userdata;
    (void)options;
    (void)option_count;
    if (!guard) return MOSQ_ERR_SUCCESS;
    log_totals(guard);
    for (int i = 0; i < kCallbackCount; ++i) {
        (void)mosquitto_callback_unregister(guard->id, kCallbacks[i].event, kCallbacks[i].callback,
                                            kCallbacks[i].argument);
    }
    mosquitto_free(guard);
    return MOSQ_ERR_SUCCESS;
}
