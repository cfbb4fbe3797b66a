/* What may be said on the guard's control topic, and what its file consists of: lines of text.
 *
 *     kick <device>            its session is cut; it may come back
 *     set <device> <cred>...   1 to 4 of s:<64 hex> and c:<64 hex>; replaces what was known
 *     drop <device>            unknown from now on; its session is cut
 *     begin <token>            a snapshot of all devices begins
 *     end <token>              what was not set since is dropped
 *     tell <token>             the guard answers when all before it is in force
 *
 * One space between words, "\n" between lines, and at most one behind the last. Devices are named
 * only: a service that kicked itself would free the connection that the broker is just reading.
 * A token is [A-Za-z0-9-]{1,40}. Pure functions; texts need not be zero-terminated and may hold
 * any bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "broker/guard/credentials.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KL_HEX_CHARS = 2 * KL_HASH_BYTES,
    /* "set ", a name, credentials of " s:" and digits, the end of the line. */
    KL_LINE_MAX = 4 + KL_DEVICE_NAME_MAX + KL_CREDENTIALS_MAX * (3 + KL_HEX_CHARS) + 1,
};

enum kl_verb { KL_KICK, KL_SET, KL_DROP, KL_BEGIN, KL_END, KL_TELL };

struct kl_command {
    enum kl_verb verb;
    char device[KL_DEVICE_NAME_MAX + 1]; /* Of kick, set and drop; else empty. */
    char token[KL_TOKEN_MAX + 1];        /* Of begin, end and tell; else empty. */
    size_t credential_count;             /* Of set. */
    struct kl_credential credentials[KL_CREDENTIALS_MAX];
};

/* Reads one line without its end. False, and `command` is not to be used, when it is malformed. */
bool kl_parse_command(const char* line, size_t bytes, struct kl_command* command);

/* Takes the next line off the text. `*line` gets it without its end. False when none is left. */
bool kl_take_line(const char** text, size_t* bytes, const char** line, size_t* line_bytes);

/* True when the payload has at least one line and every line is well-formed. */
bool kl_is_control_payload(const char* payload, size_t bytes);

/* The device that a malformed "set" or "drop" line begins with, as far as it can be told: it must
 * not stay valid by what was known of it before. False when there is none. */
bool kl_device_of_malformed(const char* line, size_t bytes, char device[KL_DEVICE_NAME_MAX + 1]);

/* Writes the "set" line of a device with its end, not zero-terminated; returns its length, which is
 * kl_set_line_bytes(). */
size_t kl_format_set(char line[KL_LINE_MAX], const struct kl_device* device);
size_t kl_set_line_bytes(size_t name_chars, size_t credential_count);

#ifdef __cplusplus
}
#endif
