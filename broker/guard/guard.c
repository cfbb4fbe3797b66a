/* The guard: a Mosquitto plugin that says who is who, and refuses what access files can not.
 *
 *   in      every CONNECT, PUBLISH, SUBSCRIBE and delivery of the listener that loads it
 *   decides access.c (who may say what), credentials.c (who is who), flood.c (how much)
 *   answer  devices: its own; services: refuse, or defer to the password file. The access files
 *           must agree as well
 *   control control.h, from handlers and operators
 *   says    presence, answers and floods below KL_GUARD_TOPIC_ROOT
 *
 * It runs in the broker's only thread: a crash stops everybody and a wait stalls everybody. Hence
 * no locks, no names to be looked up, no network, no input or output besides the broker's own log
 * and the one small file of devices_file.c, and no memory that grows with what clients send.
 */
#include <errno.h>
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "broker/guard/access.h"
#include "broker/guard/control.h"
#include "broker/guard/credentials.h"
#include "broker/guard/devices_file.h"
#include "broker/guard/flood.h"
#include "broker/guard/left_sessions.h"

enum {
    /* What clients cause is logged by user: a name falls into one of the slots, each of which may
     * write so many lines in a period. A device that is refused all day therefore neither fills the
     * disk nor hides the others, and the memory for it is fixed. */
    kLogSlots = 64,
    kLogLinesPerSlot = 5,
    kLogPeriodSeconds = 60,
    kLogTextMax = 160,
    kSayTextMax = 256,
    kBootChars = 16,
    kInstanceMax = 32,
    kMilli = 1000,
    kQosMax = 1,
    kMqtt5 = 5,
    /* After the broker has said that it reads its files anew it asks for every session again, which
     * takes a fraction of this. */
    kReloadMs = 2000,
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
    uint64_t period_began_ms;
    uint32_t lines;
    uint32_t unlogged;
};

/* Of one listener. */
struct guard {
    mosquitto_plugin_id_t* id;
    enum kl_listener listener;
    enum kl_credential_kind accepts; /* Of devices. */
    struct log_slot slots[kLogSlots];
    uint64_t refused[kActions];
    uint64_t dropped;
};

/* Of the broker. The listeners name the same file, which the loader maps once, so that this exists
 * once and a change that comes in on one listener holds on all. One thread, hence no lock. */
static struct {
    unsigned listeners;
    struct kl_credentials* credentials;
    struct kl_devices_file file;
    struct kl_flood_limits limits;
    uint64_t cut; /* Sessions that the guard ended. */
    size_t devices_said;
    uint64_t reloaded_ms;         /* 0: never. */
    struct kl_left_sessions left; /* Of MQTT 5 clients whose credential was taken away. */
    char boot[kBootChars + 1];
    char topic[sizeof KL_GUARD_TOPIC_ROOT + kInstanceMax];
} shared;

int mosquitto_plugin_version(int supported_version_count, const int* supported_versions);
int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void** userdata,
                          struct mosquitto_opt* options, int option_count);
int mosquitto_plugin_cleanup(void* userdata, struct mosquitto_opt* options, int option_count);

/* -- log ----------------------------------------------------------------------------------------
 */

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

static uint64_t now_ms(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * kMilli + (uint64_t)now.tv_nsec / 1000000U;
}

/* True when one more line about this user may be logged just now. */
static bool may_log(struct guard* guard, const char* name) {
    const uint64_t now = now_ms();
    struct log_slot* slot = slot_of(guard, name);
    if (slot->lines == 0 || now - slot->period_began_ms >= kLogPeriodSeconds * kMilli) {
        if (slot->unlogged > 0) {
            mosquitto_log_printf(MOSQ_LOG_WARNING, "guard: %s: %u more refusals were not logged",
                                 listener_name(guard), slot->unlogged);
        }
        *slot = (struct log_slot){now, 0, 0};
    }
    if (slot->lines >= kLogLinesPerSlot) {
        ++slot->unlogged;
        return false;
    }
    ++slot->lines;
    return true;
}

static void note_refusal(struct guard* guard, enum action action, const char* name,
                         const char* subject, const char* reason) {
    char name_text[kLogTextMax + 1];
    char subject_text[kLogTextMax + 1];
    ++guard->refused[action];
    if (!may_log(guard, name)) return;
    mosquitto_log_printf(MOSQ_LOG_WARNING, "guard: %s: refused %s of '%s' by '%s': %s",
                         listener_name(guard), kActionNames[action],
                         printable(subject, subject_text), printable(name, name_text), reason);
}

static void log_totals(const struct guard* guard) {
    mosquitto_log_printf(MOSQ_LOG_NOTICE,
                         "guard: %s: refused so far: connect %llu publish %llu subscribe %llu read "
                         "%llu control %llu, dropped %llu",
                         listener_name(guard), (unsigned long long)guard->refused[ACTION_CONNECT],
                         (unsigned long long)guard->refused[ACTION_PUBLISH],
                         (unsigned long long)guard->refused[ACTION_SUBSCRIBE],
                         (unsigned long long)guard->refused[ACTION_READ],
                         (unsigned long long)guard->refused[ACTION_CONTROL],
                         (unsigned long long)guard->dropped);
}

/* What somebody has to look at. */
__attribute__((format(printf, 1, 2))) static void alarm_log(const char* format, ...) {
    char text[kSayTextMax];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mosquitto_log_printf(MOSQ_LOG_ERR, "guard: alarm: %s", text);
}

/* -- what the guard says ------------------------------------------------------------------------
 */

/* Queued by the broker, and sent when the packet at hand is done. Not by
 * mosquitto_broker_publish_copy(): that takes its memory uncounted and the broker gives it back
 * counted, so that after enough messages its memory_limit would find less than nothing in use. */
__attribute__((format(printf, 2, 3))) static void say(bool retain, const char* format, ...) {
    char* payload = mosquitto_malloc(kSayTextMax);
    va_list arguments;
    int bytes = 0;
    if (!payload) return;
    va_start(arguments, format);
    bytes = vsnprintf(payload, kSayTextMax, format, arguments);
    va_end(arguments);
    if (bytes < 0 || bytes >= kSayTextMax ||
        mosquitto_broker_publish(NULL, shared.topic, bytes, payload, kQosMax, retain, NULL) !=
            MOSQ_ERR_SUCCESS) {
        mosquitto_free(payload);
    }
}

static void say_presence(void) {
    shared.devices_said = kl_credentials_count(shared.credentials);
    say(true, "{\"v\":1,\"on\":1,\"boot\":\"%s\",\"devices\":%zu}", shared.boot,
        shared.devices_said);
}

/* -- how much -----------------------------------------------------------------------------------
 */

/* What to answer the broker for one more message of a device: success, or a refusal, or the end of
 * its connection. That end is an error code and not a kick: a kick would take the connection apart
 * that the broker is just reading from, while on any error but a refusal the broker frees the
 * message and then ends the connection itself, will included. */
static int spend(struct guard* guard, const char* name, size_t bytes) {
    struct kl_device* device = name ? kl_credentials_find(shared.credentials, name) : NULL;
    if (!device || !device->has_used) return MOSQ_ERR_ADMINISTRATIVE_ACTION; /* See on_connect(). */
    const struct kl_flood_verdict verdict =
        kl_flood_take(&shared.limits, &device->flood, now_ms(), bytes);
    if (verdict.allowed) return MOSQ_ERR_SUCCESS;
    ++guard->dropped;
    if (verdict.report > 0) {
        say(false, "{\"v\":1,\"boot\":\"%s\",\"flood\":\"%s\",\"dropped\":%u,\"cut\":%d}",
            shared.boot, device->name, verdict.report, verdict.cut ? 1 : 0);
        if (may_log(guard, name)) {
            mosquitto_log_printf(
                MOSQ_LOG_WARNING, "guard: %s: '%s' sends more than its share: %u dropped%s",
                listener_name(guard), device->name, verdict.report, verdict.cut ? ", cut off" : "");
        }
    }
    if (!verdict.cut) return MOSQ_ERR_ACL_DENIED;
    ++shared.cut;
    return MOSQ_ERR_ADMINISTRATIVE_ACTION;
}

static int on_message(int event, void* event_data, void* userdata) {
    const struct mosquitto_evt_message* message = event_data;
    (void)event;
    return spend(userdata, mosquitto_client_username(message->client),
                 strlen(message->topic) + message->payloadlen);
}

/* -- who is who ---------------------------------------------------------------------------------
 */

static const char kNoUser[] = "no user of this listener";
static const char kNoSecret[] = "no secret";
static const char kLasting[] = "it asks for a lasting session";
static const char kNoCertificate[] = "no certificate";
static const char kForeignCertificate[] = "the certificate is in another name";
static const char kUnknownDevice[] = "unknown device";
static const char kUnknownCredential[] = "unknown or revoked credential";
static const char kKeptOut[] = "kept out because it sent more than its share";
static const char kNoHash[] = "no hash could be made";

/* Exactly one common name, and it is `name`. */
static bool is_certificate_of(X509* certificate, const char* name) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return false;
    const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    const size_t bytes = (size_t)ASN1_STRING_length(text);
    return bytes == strlen(name) && memcmp(ASN1_STRING_get0_data(text), name, bytes) == 0;
}

/* What the client shows, as a hash. NULL, or why there is none. */
static kl_refusal read_shown(const struct guard* guard,
                             const struct mosquitto_evt_basic_auth* connect,
                             struct kl_credential* shown) {
    kl_refusal refusal = NULL;
    shown->kind = (uint8_t)guard->accepts;
    if (guard->accepts == KL_SECRET) {
        if (!connect->password) return kNoSecret;
        return EVP_Digest(connect->password, strlen(connect->password), shown->hash, NULL,
                          EVP_sha256(), NULL)
                   ? NULL
                   : kNoHash;
    }
    /* The TLS layer has found it signed by the devices' authority, and in its time. */
    X509* certificate = mosquitto_client_certificate(connect->client);
    if (!certificate) return kNoCertificate;
    if (!is_certificate_of(certificate, connect->username)) {
        refusal = kForeignCertificate;
    } else if (!X509_digest(certificate, EVP_sha256(), shown->hash, NULL)) {
        refusal = kNoHash;
    }
    X509_free(certificate);
    return refusal;
}

/* True shortly after the broker has begun to read its files anew, in the course of which it asks
 * for the sessions that it has. */
static bool is_reloading(void) {
    return shared.reloaded_ms > 0 && now_ms() - shared.reloaded_ms < kReloadMs;
}

/* `shown` gets what the client shows, as far as it has come to that. */
static kl_refusal why_not_connect(const struct guard* guard,
                                  const struct mosquitto_evt_basic_auth* connect,
                                  struct kl_credential* shown) {
    const enum kl_role role = kl_role_of(guard->listener, connect->username);
    if (role == KL_ROLE_NONE) return kNoUser;
    if (role != KL_ROLE_DEVICE) return NULL;
    /* Sessions of devices are clean. In MQTT 5 what makes one last is not shown to plugins. */
    if (mosquitto_client_protocol_version(connect->client) < kMqtt5 &&
        !mosquitto_client_clean_session(connect->client)) {
        return kLasting;
    }
    const kl_refusal refusal = read_shown(guard, connect, shown);
    if (refusal) return refusal;
    const struct kl_device* device = kl_credentials_find(shared.credentials, connect->username);
    if (!kl_credentials_accept(shared.credentials, connect->username, shown, connect->client)) {
        return device ? kUnknownCredential : kUnknownDevice;
    }
    return kl_flood_is_out(&device->flood, now_ms()) && !is_reloading() ? kKeptOut : NULL;
}

static void remember_left(const struct kl_device* device) {
    if (device->has_used) {
        kl_left_remember(&shared.left, device->name, &device->used, device->session);
    }
}

/* Is this not a CONNECT but a session without a connection, which an MQTT 5 client has left behind
 * and for which the broker asks once more? To refuse it would be fatal: this version then enters
 * the session into its list of expiring ones a second time, and uses the first entry after it has
 * freed the session. Nothing is given away: who comes back to it comes by a CONNECT, and until then
 * a session without a credential in force may do nothing, see spend(). */
static bool is_left_behind(const struct mosquitto_evt_basic_auth* connect, kl_refusal refusal,
                           const struct kl_credential* shown) {
    if (!is_reloading()) return false;
    /* Who has a connection to that listener has shown a certificate. */
    if (refusal == kNoCertificate) return true;
    return (refusal == kUnknownDevice || refusal == kUnknownCredential) &&
           kl_left_is_remembered(&shared.left, connect->username, shown, connect->client);
}

/* Asked at CONNECT, and again for every session when the broker reads its files anew. */
static int on_connect(int event, void* event_data, void* userdata) {
    struct guard* guard = userdata;
    const struct mosquitto_evt_basic_auth* connect = event_data;
    struct kl_credential shown = {0, {0}};
    const kl_refusal refusal = why_not_connect(guard, connect, &shown);
    (void)event;
    if (refusal && is_left_behind(connect, refusal, &shown)) {
        struct kl_device* device = kl_credentials_find(shared.credentials, connect->username);
        if (device) device->has_used = false;
        return MOSQ_ERR_SUCCESS;
    }
    if (refusal) {
        note_refusal(guard, ACTION_CONNECT, connect->username,
                     mosquitto_client_address(connect->client), refusal);
        return MOSQ_ERR_AUTH;
    }
    /* There is no password file for devices: nobody could say more about them. */
    return guard->listener == KL_LISTENER_DEVICES ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;
}

/* -- who may say what ---------------------------------------------------------------------------
 */

static const char kNotControl[] = "not lines of kick, set, drop, begin, end and tell";
static const char kQos2[] = "QoS 2 is not in the contract";

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
            /* max_qos says so too, but this version forgets it when it reads its files anew. */
            if (!refusal && check->qos > kQosMax) refusal = kQos2;
            break;
        case MOSQ_ACL_READ:
            refusal = kl_why_not_read(role, name, check->topic);
            break;
        case MOSQ_ACL_UNSUBSCRIBE:
            action = ACTION_SUBSCRIBE; /* Giving something up needs no right, but it is work. */
            break;
        default:
            refusal = "unknown kind of access";
            break;
    }
    /* Here and not in on_control(), whose answer this version of the broker does not pass on. */
    if (!refusal && action == ACTION_PUBLISH && strcmp(check->topic, KL_CONTROL_TOPIC) == 0 &&
        !kl_is_control_payload(check->payload, check->payloadlen)) {
        action = ACTION_CONTROL;
        refusal = kNotControl;
    }
    if (refusal) note_refusal(guard, action, name, check->topic, refusal);

    /* A device pays for what is refused and for SUBSCRIBE and UNSUBSCRIBE (each filter) here,
     * for what is allowed in on_message(). A will and a retained message are checked here as well,
     * long after they came: then there is no connection, hence no address, and nothing to pay. */
    if (role == KL_ROLE_DEVICE && mosquitto_client_address(check->client) &&
        (action == ACTION_SUBSCRIBE || (refusal && action != ACTION_READ))) {
        const int answer = spend(guard, name, strlen(check->topic) + check->payloadlen);
        if (answer != MOSQ_ERR_SUCCESS) return answer;
    }
    return refusal ? MOSQ_ERR_ACL_DENIED : MOSQ_ERR_PLUGIN_DEFER;
}

/* -- control ------------------------------------------------------------------------------------
 */

/* True when there was a session. The client id is the user name on every listener, and is found
 * without walking all clients. The will is sent, so that everybody learns at once that the device
 * is gone. Never the client whose packet is being handled: devices can not speak on the control
 * topic, and nobody else is cut. */
static bool cut(const char* device) {
    return mosquitto_kick_client_by_clientid(device, true) == MOSQ_ERR_SUCCESS;
}

/* Cuts whose credential is gone. A session that is still there afterwards is left behind. */
static void cut_for_good(const struct kl_device* device) {
    if (!cut(device->name)) return;
    ++shared.cut;
    if (cut(device->name)) remember_left(device);
}

/* What one payload changes, for the file. */
struct changes {
    char* text;
    size_t bytes;
    bool whole;
    size_t no_room;
};

static void add_change(struct changes* changes, const char* line, size_t bytes) {
    if (!changes->text) {
        changes->whole = true; /* No memory for the lines: the file gets the whole table. */
        return;
    }
    memcpy(changes->text + changes->bytes, line, bytes);
    changes->bytes += bytes;
    changes->text[changes->bytes++] = '\n';
}

static void cut_dropped(const struct kl_device* device, void* dropped) {
    ++*(size_t*)dropped;
    cut_for_good(device);
}

static void end_snapshot(const char* token, struct changes* changes) {
    size_t dropped = 0;
    if (!kl_credentials_end(shared.credentials, token, cut_dropped, &dropped)) {
        mosquitto_log_printf(MOSQ_LOG_WARNING, "guard: the end of snapshot %s, which has not begun",
                             token);
        return;
    }
    changes->whole = true;
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: snapshot %s: %zu devices, %zu dropped", token,
                         kl_credentials_count(shared.credentials), dropped);
    if (kl_credentials_count(shared.credentials) != shared.devices_said) say_presence();
}

static void set_device(const struct kl_command* command, const char* line, size_t bytes,
                       struct changes* changes) {
    const struct kl_device* known = kl_credentials_find(shared.credentials, command->device);
    const struct kl_device before = known ? *known : (struct kl_device){.has_used = false};
    switch (kl_credentials_set(shared.credentials, command->device, command->credentials,
                               command->credential_count)) {
        case KL_SET_SAME:
            break;
        case KL_SET_FULL:
            ++changes->no_room;
            break;
        case KL_SET_CUT:
            cut_for_good(&before);
            add_change(changes, line, bytes);
            break;
        case KL_SET_CHANGED:
            add_change(changes, line, bytes);
            break;
    }
}

static void drop_device(const char* name, const char* line, size_t bytes, struct changes* changes) {
    const struct kl_device* known = kl_credentials_find(shared.credentials, name);
    if (!known) return; /* Then it has no session either. */
    const struct kl_device device = *known;
    (void)kl_credentials_drop(shared.credentials, name);
    cut_for_good(&device);
    add_change(changes, line, bytes);
}

static void apply(const struct kl_command* command, const char* line, size_t bytes,
                  struct changes* changes) {
    switch (command->verb) {
        case KL_KICK:
            if (cut(command->device)) ++shared.cut;
            break;
        case KL_SET:
            set_device(command, line, bytes, changes);
            break;
        case KL_DROP:
            drop_device(command->device, line, bytes, changes);
            break;
        case KL_BEGIN:
            kl_credentials_begin(shared.credentials, command->token);
            break;
        case KL_END:
            end_snapshot(command->token, changes);
            break;
        case KL_TELL:
            say(false, "{\"v\":1,\"boot\":\"%s\",\"told\":\"%s\",\"devices\":%zu}", shared.boot,
                command->token, kl_credentials_count(shared.credentials));
            break;
    }
}

static void apply_all(const char* payload, size_t bytes) {
    /* Every line is written out at most once, and the last may lack its end. */
    struct changes changes = {mosquitto_malloc(bytes + 1), 0, false, 0};
    const char* line = NULL;
    size_t line_bytes = 0;
    struct kl_command command;
    while (kl_take_line(&payload, &bytes, &line, &line_bytes)) {
        if (kl_parse_command(line, line_bytes, &command)) {
            apply(&command, line, line_bytes, &changes);
        }
    }
    const int error = kl_devices_file_record(&shared.file, shared.credentials, changes.text,
                                             changes.bytes, changes.whole);
    if (error) alarm_log("%s can not be written: %s", shared.file.path, strerror(error));
    if (changes.no_room > 0) {
        alarm_log("%zu devices have no room: there are %zu of at most %d", changes.no_room,
                  kl_credentials_count(shared.credentials), KL_DEVICES_MAX);
    }
    mosquitto_free(changes.text);
}

/* The broker has asked on_access() before; role and payload are looked at again, because that a
 * control message is also an ordinary publish is this version's way only. Refusing is silent here:
 * any other answer than success would cut the client off. */
static int on_control(int event, void* event_data, void* userdata) {
    struct guard* guard = userdata;
    const struct mosquitto_evt_control* control = event_data;
    const char* name = mosquitto_client_username(control->client);
    const enum kl_role role = kl_role_of(guard->listener, name);
    (void)event;

    if (kl_why_not_publish(role, name, control->topic, control->retain, control->payloadlen) ||
        !kl_is_control_payload(control->payload, control->payloadlen)) {
        note_refusal(guard, ACTION_CONTROL, name, control->topic, kNotControl);
        return MOSQ_ERR_SUCCESS;
    }
    apply_all(control->payload, control->payloadlen);
    return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void* event_data, void* userdata) {
    const struct guard* guard = userdata;
    (void)event;
    (void)event_data;
    log_totals(guard);
    shared.reloaded_ms = now_ms();
    if (guard->listener == KL_LISTENER_SERVICES) {
        mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: %zu devices, %llu sessions cut so far",
                             kl_credentials_count(shared.credentials),
                             (unsigned long long)shared.cut);
    }
    return MOSQ_ERR_SUCCESS;
}

/* -- start and end ------------------------------------------------------------------------------
 */

int mosquitto_plugin_version(int supported_version_count, const int* supported_versions) {
    for (int i = 0; i < supported_version_count; ++i) {
        if (supported_versions[i] == 5) return 5;
    }
    return -1;
}

static const char* option(const struct mosquitto_opt* options, int option_count, const char* key) {
    for (int i = 0; i < option_count; ++i) {
        if (strcmp(options[i].key, key) == 0) return options[i].value;
    }
    return NULL;
}

/* Reads an option that has a default. False when it is there and not a number in its range. */
static bool read_number(const struct mosquitto_opt* options, int option_count, const char* key,
                        uint32_t least, uint32_t most, uint32_t* number) {
    const char* text = option(options, option_count, key);
    char* end = NULL;
    if (!text) return true;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || text[0] < '0' || text[0] > '9' || *end || value < least || value > most) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "guard: plugin_opt_%s must be %u to %u", key, least,
                             most);
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static bool read_limits(const struct mosquitto_opt* options, int option_count,
                        struct kl_flood_limits* limits) {
    *limits = kl_flood_defaults();
    return read_number(options, option_count, "rate", 1, KL_RATE_MAX, &limits->rate) &&
           read_number(options, option_count, "burst", 1, KL_RATE_MAX, &limits->burst) &&
           read_number(options, option_count, "byte_rate", 1, KL_BYTE_RATE_MAX,
                       &limits->byte_rate) &&
           /* Topic and payload of the largest message. */
           read_number(options, option_count, "byte_burst", KL_PAYLOAD_BYTES_MAX + 1024,
                       KL_BYTE_RATE_MAX, &limits->byte_burst) &&
           read_number(options, option_count, "cut_after", 0, UINT32_MAX, &limits->cut_after) &&
           read_number(options, option_count, "cut_seconds", 0, KL_CUT_SECONDS_MAX,
                       &limits->cut_seconds);
}

static bool make_boot(char boot[kBootChars + 1]) {
    unsigned char random[kBootChars / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return false;
    for (size_t i = 0; i < sizeof random; ++i) {
        (void)snprintf(boot + 2 * i, 3, "%02x", random[i]);
    }
    return true;
}

static void load_devices(void) {
    const struct kl_loaded loaded = kl_devices_file_load(&shared.file, shared.credentials);
    const char* path = shared.file.path;
    if (loaded.was_missing) {
        mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: there is no %s yet: no device is known",
                             path);
    }
    if (loaded.error) alarm_log("%s can not be read: %s", path, strerror(loaded.error));
    if (loaded.garbage > 0) {
        alarm_log("%s has %zu lines that can not be read and count as not there", path,
                  loaded.garbage);
    }
    if (loaded.full > 0) {
        alarm_log("%s has %zu devices more than the %d there is room for", path, loaded.full,
                  KL_DEVICES_MAX);
    }
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: %zu devices known",
                         kl_credentials_count(shared.credentials));
}

/* The services' listener, which there is exactly one of, brings what concerns the whole broker. */
static int start_shared(const struct mosquitto_opt* options, int option_count) {
    const char* instance = option(options, option_count, "instance");
    const char* path = option(options, option_count, "devices_file");
    if (!instance) instance = "1";
    if (strlen(instance) < 1 || strlen(instance) > kInstanceMax ||
        strspn(instance, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(instance)) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "guard: plugin_opt_instance must be [a-z0-9-]{1,32}");
        return MOSQ_ERR_INVAL;
    }
    if (!path || !kl_devices_file_init(&shared.file, path)) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "guard: plugin_opt_devices_file must be a path");
        return MOSQ_ERR_INVAL;
    }
    if (!read_limits(options, option_count, &shared.limits)) return MOSQ_ERR_INVAL;
    if (!make_boot(shared.boot)) return MOSQ_ERR_UNKNOWN;
    (void)snprintf(shared.topic, sizeof shared.topic, "%s%s", KL_GUARD_TOPIC_ROOT, instance);
    load_devices();
    say_presence();
    return MOSQ_ERR_SUCCESS;
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
    {MOSQ_EVT_MESSAGE, on_message, NULL}, /* Devices only: the last one. */
};
enum { kCallbackCount = sizeof kCallbacks / sizeof kCallbacks[0] };

static int callback_count(const struct guard* guard) {
    return guard->listener == KL_LISTENER_DEVICES ? kCallbackCount : kCallbackCount - 1;
}

/* Without a known listener the guard would have to guess who may connect: rather no broker. */
static bool read_listener(const struct mosquitto_opt* options, int option_count,
                          struct guard* guard) {
    const char* listener = option(options, option_count, "listener");
    const char* accepts = option(options, option_count, "accepts");
    if (listener && strcmp(listener, "services") == 0) {
        guard->listener = KL_LISTENER_SERVICES;
        return true;
    }
    if (listener && strcmp(listener, "devices") == 0 && accepts) {
        guard->listener = KL_LISTENER_DEVICES;
        guard->accepts = strcmp(accepts, "certificates") == 0 ? KL_CERTIFICATE : KL_SECRET;
        if (guard->accepts == KL_CERTIFICATE || strcmp(accepts, "secrets") == 0) return true;
    }
    mosquitto_log_printf(MOSQ_LOG_ERR,
                         "guard: plugin_opt_listener must be 'services', or 'devices' with "
                         "plugin_opt_accepts 'secrets' or 'certificates'");
    return false;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void** userdata,
                          struct mosquitto_opt* options, int option_count) {
    struct guard* guard = mosquitto_calloc(1, sizeof *guard);
    if (!guard) return MOSQ_ERR_NOMEM;
    guard->id = identifier;
    *userdata = guard;
    if (!read_listener(options, option_count, guard)) return MOSQ_ERR_INVAL;
    if (!shared.credentials) shared.credentials = kl_credentials_new();
    if (!shared.credentials) return MOSQ_ERR_NOMEM;
    ++shared.listeners;
    if (guard->listener == KL_LISTENER_SERVICES) {
        const int failed = start_shared(options, option_count);
        if (failed) return failed;
    }
    for (int i = 0; i < callback_count(guard); ++i) {
        const int failed = mosquitto_callback_register(
            identifier, kCallbacks[i].event, kCallbacks[i].callback, kCallbacks[i].argument, guard);
        if (failed) {
            mosquitto_log_printf(MOSQ_LOG_ERR, "guard: %s: event %d can not be registered: %d",
                                 listener_name(guard), kCallbacks[i].event, failed);
            return failed;
        }
    }
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "guard: %s: on guard%s", listener_name(guard),
                         guard->accepts == KL_CERTIFICATE ? ", certificates"
                         : guard->accepts == KL_SECRET    ? ", secrets"
                                                          : "");
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void* userdata, struct mosquitto_opt* options, int option_count) {
    struct guard* guard = userdata;
    (void)options;
    (void)option_count;
    if (!guard) return MOSQ_ERR_SUCCESS;
    log_totals(guard);
    for (int i = 0; i < callback_count(guard); ++i) {
        (void)mosquitto_callback_unregister(guard->id, kCallbacks[i].event, kCallbacks[i].callback,
                                            kCallbacks[i].argument);
    }
    mosquitto_free(guard);
    if (shared.listeners > 0 && --shared.listeners == 0) {
        kl_credentials_free(shared.credentials);
        shared.credentials = NULL;
    }
    return MOSQ_ERR_SUCCESS;
}
