#include "broker/guard/access.h"

#include <string.h>

static const char kNobody[] = "unknown user";
static const char kNotYours[] = "not allowed to this user";
static const char kRetained[] = "may not be retained";
static const char kTooLarge[] = "payload too large";

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A piece of a topic between slashes; not zero-terminated. */
struct level {
    const char* text;
    size_t size;
};

/* Takes the next level off `*rest`. `*rest` becomes NULL behind the last one, which is how a caller
 * tells "a/b" from "a/b/". */
static struct level take_level(const char** rest) {
    const char* begin = *rest;
    const char* slash = strchr(begin, '/');
    struct level level = {begin, slash ? (size_t)(slash - begin) : strlen(begin)};
    *rest = slash ? slash + 1 : NULL;
    return level;
}

static bool level_is(struct level level, const char* text) {
    return strlen(text) == level.size && memcmp(level.text, text, level.size) == 0;
}

static bool starts_with(const char* text, const char* prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_device_name(struct level name) {
    if (name.size < 3 + 4 || name.size > KL_DEVICE_NAME_MAX) return false;
    if (memcmp(name.text, "kc-", 3) != 0 && memcmp(name.text, "sg-", 3) != 0) return false;
    for (size_t i = 3; i < name.size; ++i) {
        if (!is_lower_or_digit(name.text[i])) return false;
    }
    return true;
}

static bool is_device_class(struct level level) {
    return level_is(level, "kc") || level_is(level, "sg");
}

/* Behind "handlers-" and the like. */
static bool is_instance(const char* text) {
    const size_t size = strlen(text);
    if (size < 1 || size > 32) return false;
    for (size_t i = 0; i < size; ++i) {
        if (!is_lower_or_digit(text[i]) && text[i] != '-') return false;
    }
    return true;
}

static bool is_word(struct level level) {
    if (level.size < 1 || level.size > KL_WORD_MAX) return false;
    for (size_t i = 0; i < level.size; ++i) {
        const char c = level.text[i];
        if (!is_lower_or_digit(c) && c != '_' && c != '.' && c != '-') return false;
    }
    return true;
}

static bool is_group(struct level level) {
    if (level.size < 1 || level.size > KL_GROUP_NAME_MAX) return false;
    for (size_t i = 0; i < level.size; ++i) {
        const char c = level.text[i];
        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return true;
}

/* A level that a device publishes under "up". */
static bool is_up_level(struct level level) {
    return level_is(level, "ev") || level_is(level, "rq") || level_is(level, "tm") ||
           level_is(level, "ch");
}

static const char kRoot[] = "kl/v1/";

/* What is behind "kl/v1/", or NULL when the topic is none of ours. */
static const char* behind_root(const char* topic) {
    return starts_with(topic, kRoot) ? topic + sizeof kRoot - 1 : NULL;
}

/* Behind "kl/v1/{cls}/{name}/" when both levels are exactly this device's, else NULL. */
static const char* behind_own_device(const char* name, const char* topic) {
    const char* rest = behind_root(topic);
    if (!rest) return NULL;
    const struct level cls = take_level(&rest);
    if (cls.size != 2 || memcmp(cls.text, name, 2) != 0 || !rest) return NULL;
    const struct level device = take_level(&rest);
    return level_is(device, name) ? rest : NULL;
}

/* "kl/v1/sys/{program}/{instance}" of any program but the guard, which needs nobody's leave, and
 * nothing below it. */
static bool is_presence(const char* topic) {
    const char* rest = behind_root(topic);
    if (starts_with(topic, KL_GUARD_TOPIC_ROOT)) return false;
    if (!rest || !level_is(take_level(&rest), "sys") || !rest) return false;
    if (!is_word(take_level(&rest)) || !rest) return false;
    return is_word(take_level(&rest)) && !rest;
}

enum kl_role kl_role_of(enum kl_listener listener, const char* name) {
    static const struct {
        const char* prefix;
        enum kl_role role;
    } services[] = {
        {"handlers-", KL_ROLE_HANDLERS},
        {"bridge-", KL_ROLE_BRIDGE},
        {"sim-", KL_ROLE_SIMULATOR},
        {"ops-", KL_ROLE_OPERATOR},
    };
    if (!name) return KL_ROLE_NONE;
    if (listener == KL_LISTENER_DEVICES) {
        const struct level whole = {name, strlen(name)};
        return is_device_name(whole) ? KL_ROLE_DEVICE : KL_ROLE_NONE;
    }
    for (size_t i = 0; i < sizeof services / sizeof services[0]; ++i) {
        if (starts_with(name, services[i].prefix)) {
            return is_instance(name + strlen(services[i].prefix)) ? services[i].role : KL_ROLE_NONE;
        }
    }
    return KL_ROLE_NONE;
}

static bool device_may_subscribe(const char* name, const char* filter) {
    const char* rest = behind_own_device(name, filter);
    return rest && strcmp(rest, "dn/+") == 0;
}

static bool handlers_may_subscribe(const char* filter) {
    if (strcmp(filter, "kl/v1/+/+/st") == 0) return true;
    if (strcmp(filter, KL_GUARD_TOPIC_ROOT "+") == 0) return true;
    const char* rest = filter;
    if (!level_is(take_level(&rest), "$share") || !rest) return false;
    if (!is_group(take_level(&rest)) || !rest) return false;
    rest = behind_root(rest);
    if (!rest) return false;
    const struct level first = take_level(&rest);
    if (!rest) return false;
    if (level_is(first, "ask")) {
        /* The domain is a literal: a group over all domains would take them from each other. */
        return is_word(take_level(&rest)) && rest && strcmp(rest, "+/+") == 0;
    }
    if (!is_device_class(first) || !level_is(take_level(&rest), "+") || !rest) return false;
    if (!level_is(take_level(&rest), "up") || !rest) return false;
    return is_up_level(take_level(&rest)) && !rest;
}

static bool reads_the_log(const char* filter) {
    return starts_with(filter, "kl/v1/ev/") || starts_with(filter, "kl/v1/sys/");
}

static bool bridge_may_subscribe(const char* name, const char* filter) {
    static const char answers[] = "kl/v1/re/";
    if (reads_the_log(filter)) return true;
    return starts_with(filter, answers) && strcmp(filter + sizeof answers - 1, name) == 0;
}

static bool operator_may_subscribe(const char* filter) {
    return starts_with(filter, kRoot) || starts_with(filter, "$SYS/");
}

kl_refusal kl_why_not_subscribe(enum kl_role role, const char* name, const char* filter) {
    bool allowed = false;
    switch (role) {
        case KL_ROLE_DEVICE:
            allowed = device_may_subscribe(name, filter);
            break;
        case KL_ROLE_HANDLERS:
            allowed = handlers_may_subscribe(filter);
            break;
        case KL_ROLE_BRIDGE:
            allowed = bridge_may_subscribe(name, filter);
            break;
        case KL_ROLE_SIMULATOR:
            allowed = reads_the_log(filter);
            break;
        case KL_ROLE_OPERATOR:
            allowed = operator_may_subscribe(filter);
            break;
        case KL_ROLE_NONE:
            return kNobody;
    }
    return allowed ? NULL : kNotYours;
}

static bool device_may_publish(const char* name, const char* topic) {
    const char* rest = behind_own_device(name, topic);
    if (!rest) return false;
    if (strcmp(rest, "st") == 0) return true;
    if (!level_is(take_level(&rest), "up") || !rest) return false;
    return is_up_level(take_level(&rest)) && !rest;
}

static bool handlers_may_publish(const char* topic) {
    if (strcmp(topic, KL_CONTROL_TOPIC) == 0) return true;
    const char* rest = behind_root(topic);
    if (!rest) return false;
    const struct level first = take_level(&rest);
    if (!rest) return false;
    const struct level second = take_level(&rest);
    if (level_is(first, "re")) return is_word(second) && !rest;
    if (level_is(first, "ev"))
        return is_word(second) && rest && is_word(take_level(&rest)) && !rest;
    /* A device's class is the beginning of its name, so a topic in which they differ is nobody's.
     */
    if (!is_device_class(first) || !is_device_name(second) || !rest) return false;
    if (memcmp(first.text, second.text, first.size) != 0) return false;
    if (!level_is(take_level(&rest), "dn") || !rest) return false;
    return is_word(take_level(&rest)) && !rest;
}

static bool bridge_may_publish(const char* name, const char* topic) {
    const char* rest = behind_root(topic);
    if (!rest || !level_is(take_level(&rest), "ask") || !rest) return false;
    if (!is_word(take_level(&rest)) || !rest) return false;
    if (!is_word(take_level(&rest)) || !rest) return false;
    return level_is(take_level(&rest), name) && !rest;
}

kl_refusal kl_why_not_publish(enum kl_role role, const char* name, const char* topic, bool retain,
                              size_t payload_bytes) {
    bool allowed = false;
    bool may_be_retained = false;
    if (payload_bytes > KL_PAYLOAD_BYTES_MAX) return kTooLarge;
    switch (role) {
        case KL_ROLE_DEVICE:
            allowed = device_may_publish(name, topic);
            /* A device publishes "up" and "st" only, so the last level tells them apart. */
            may_be_retained = allowed && strcmp(topic + strlen(topic) - 3, "/st") == 0;
            break;
        case KL_ROLE_HANDLERS:
            may_be_retained = is_presence(topic);
            allowed = may_be_retained || handlers_may_publish(topic);
            break;
        case KL_ROLE_BRIDGE:
            may_be_retained = is_presence(topic);
            allowed = may_be_retained || bridge_may_publish(name, topic);
            break;
        case KL_ROLE_SIMULATOR:
            may_be_retained = is_presence(topic);
            allowed = may_be_retained;
            break;
        case KL_ROLE_OPERATOR:
            allowed = strcmp(topic, KL_CONTROL_TOPIC) == 0;
            break;
        case KL_ROLE_NONE:
            return kNobody;
    }
    if (!allowed) return kNotYours;
    return retain && !may_be_retained ? kRetained : NULL;
}

static bool handlers_may_read(const char* topic) {
    const char* rest = behind_root(topic);
    if (!rest) return false;
    if (starts_with(topic, KL_GUARD_TOPIC_ROOT)) return true;
    const struct level first = take_level(&rest);
    if (!rest) return false;
    if (level_is(first, "ask")) return true;
    if (!is_device_class(first)) return false;
    (void)take_level(&rest);
    return rest && (strcmp(rest, "st") == 0 || starts_with(rest, "up/"));
}

kl_refusal kl_why_not_read(enum kl_role role, const char* name, const char* topic) {
    const char* rest = NULL;
    bool allowed = false;
    switch (role) {
        case KL_ROLE_DEVICE:
            rest = behind_own_device(name, topic);
            allowed = rest && starts_with(rest, "dn/");
            break;
        case KL_ROLE_HANDLERS:
            allowed = handlers_may_read(topic);
            break;
        case KL_ROLE_BRIDGE:
            allowed = bridge_may_subscribe(name, topic);
            break;
        case KL_ROLE_SIMULATOR:
            allowed = reads_the_log(topic);
            break;
        case KL_ROLE_OPERATOR:
            allowed = operator_may_subscribe(topic);
            break;
        case KL_ROLE_NONE:
            return kNobody;
    }
    return allowed ? NULL : kNotYours;
}

bool kl_is_device_name(const char* name, size_t bytes) {
    return is_device_name((struct level){name, bytes});
}
