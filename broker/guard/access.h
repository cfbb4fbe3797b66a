/* Who may say and hear what: the decision alone.
 *
 * Pure functions over texts: no Mosquitto types, no memory, no clock, no input or output. They run
 * in the broker's only thread for every packet, so each is one pass over its arguments; arguments
 * are zero-terminated and may hold anything a client can send. Unknown or malformed input is always
 * refused.
 *
 * User names, and what follows from them (the table is in broker/README.md):
 *
 * - devices, `(kc|sg)-[a-z0-9]{4,18}`: speak and hear as themselves only.
 * - `handlers-[a-z0-9-]{1,32}`: hear devices and asks in share groups, all states, and the guard;
 *   say acks, answers, commands, events, and what the guard is told.
 * - `bridge-...`: ask in their own name; hear their own answers and the log.
 * - `sim-...`: hear the log.
 * - `ops-...`, a person: hears everything of ours and $SYS, speaks to the guard only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KL_DEVICE_NAME_MAX = 21,       /* "kc-" and 18 characters. */
    KL_PAYLOAD_BYTES_MAX = 131072, /* Of one message; the packet may be a little larger. */
    KL_GROUP_NAME_MAX = 96,        /* Of a share group. */
    KL_WORD_MAX = 48,              /* Of a domain, an ask's name, an event's type. */
};

#define KL_CONTROL_TOPIC "$CONTROL/klyuchnik-guard/v1"

/* What the guard itself says is below this, in a level that names the broker. */
#define KL_GUARD_TOPIC_ROOT "kl/v1/sys/guard/"

enum kl_listener { KL_LISTENER_DEVICES, KL_LISTENER_SERVICES };

enum kl_role {
    KL_ROLE_NONE, /* Nobody we know; may do nothing. */
    KL_ROLE_DEVICE,
    KL_ROLE_HANDLERS,
    KL_ROLE_BRIDGE,
    KL_ROLE_SIMULATOR,
    KL_ROLE_OPERATOR,
};

/* Reasons are texts for the log; NULL means allowed. They are constants: nobody frees them. */
typedef const char* kl_refusal;

/* The role of a user name on a listener. A device's name on the services listener is nobody, and
 * the reverse: a stolen device secret can not become a service by choosing a port. `name` may be
 * NULL. */
enum kl_role kl_role_of(enum kl_listener listener, const char* name);

/* May `name`, being `role`, subscribe to `filter`? Whole filters are compared, never prefixes of
 * names, because a granted share group takes messages away from its other members even if it may
 * not read them. */
kl_refusal kl_why_not_subscribe(enum kl_role role, const char* name, const char* filter);

/* May it publish? `payload_bytes` over KL_PAYLOAD_BYTES_MAX is refused for everybody. Retained is
 * what the device's own `st` and our programs' presence may be, nothing else: a retained message
 * would reach later subscribers as if it were new. Nobody may speak as the guard. */
kl_refusal kl_why_not_publish(enum kl_role role, const char* name, const char* topic, bool retain,
                              size_t payload_bytes);

/* May a message of `topic` be delivered to it? The second line behind the check of subscriptions.
 */
kl_refusal kl_why_not_read(enum kl_role role, const char* name, const char* topic);

/* Is this, of `bytes` characters, the name of a device? */
bool kl_is_device_name(const char* name, size_t bytes);

#ifdef __cplusplus
}
#endif
