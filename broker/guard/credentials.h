/* Which devices there are, and by what each proves who it is: a table in memory.
 *
 * No Mosquitto types, no clock, no input or output. One thread. Memory comes from calloc(), is not
 * counted in the broker's memory_limit, and ends at KL_DEVICES_MAX devices (about 20 MB).
 *
 * The table is the list of what is valid: a credential that is not in it is worthless, so that
 * nothing has to be revoked elsewhere and nothing can be forgotten to be loaded. Hashes only: a
 * secret is 128 random bits, which nobody finds by hashing guesses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/guard/access.h"
#include "broker/guard/flood.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KL_DEVICES_MAX = 60000,
    KL_CREDENTIALS_MAX = 4, /* Of one device: old and new during a rotation, and to spare. */
    KL_HASH_BYTES = 32,     /* SHA-256. */
    KL_SNAPSHOTS_MAX = 8,   /* Begun and not ended; one more takes the place of the oldest. */
    KL_TOKEN_MAX = 40,      /* Characters of a token. */
};

enum kl_credential_kind {
    KL_SECRET = 's',      /* The hash is of the text that is sent as password. */
    KL_CERTIFICATE = 'c', /* The hash is of the certificate's DER bytes. */
};

struct kl_credential {
    uint8_t kind; /* An enum kl_credential_kind. */
    uint8_t hash[KL_HASH_BYTES];
};

struct kl_device {
    char name[KL_DEVICE_NAME_MAX + 1];
    uint8_t credential_count;
    bool has_used;
    struct kl_credential credentials[KL_CREDENTIALS_MAX];
    struct kl_credential used; /* By which its last session was let in. */
    const void* session;       /* What the caller knows that session by. */
    uint64_t set_at;           /* How many snapshots had begun when it was last set. */
    struct kl_flood flood;
};

struct kl_credentials;

/* NULL without memory. */
struct kl_credentials* kl_credentials_new(void);
void kl_credentials_free(struct kl_credentials* table); /* NULL is fine. */

size_t kl_credentials_count(const struct kl_credentials* table);

/* What the whole table takes as text, in lines of kl_format_set(). */
size_t kl_credentials_text_bytes(const struct kl_credentials* table);

enum kl_set_result {
    KL_SET_SAME,    /* Nothing new. */
    KL_SET_CHANGED, /* A new device, or other credentials. */
    KL_SET_CUT,     /* Changed, and the last session's credential is gone: that session must end. */
    KL_SET_FULL,    /* KL_DEVICES_MAX reached, or no memory: the device is as unknown as before. */
};

/* Replaces what was known of the device. `name` is a valid device name; 1 to KL_CREDENTIALS_MAX
 * credentials. */
enum kl_set_result kl_credentials_set(struct kl_credentials* table, const char* name,
                                      const struct kl_credential* credentials, size_t count);

/* False when the device was unknown. Pointers to devices are void afterwards. */
bool kl_credentials_drop(struct kl_credentials* table, const char* name);

/* Is this a credential of the device? If so it is remembered as that of its last session. The time
 * taken tells neither whether the device is known nor how much of a hash was right. */
bool kl_credentials_accept(struct kl_credentials* table, const char* name,
                           const struct kl_credential* shown, const void* session);

/* NULL when unknown. Valid until the next set or drop. */
struct kl_device* kl_credentials_find(struct kl_credentials* table, const char* name);

/* A snapshot: `begin`, all devices that there are by `set`, `end`. What was not set between the two
 * is dropped, and shown to `on_drop` after the table has forgotten it; the table may be read in
 * there, not changed. Snapshots may overlap, each with a token of its own. False, and nothing
 * dropped, when no snapshot of that token has begun. */
void kl_credentials_begin(struct kl_credentials* table, const char* token);
bool kl_credentials_end(struct kl_credentials* table, const char* token,
                        void (*on_drop)(const struct kl_device* dropped, void* context),
                        void* context);

/* Visits every device, in no order, until `visit` returns false; then false. */
bool kl_credentials_each(const struct kl_credentials* table,
                         bool (*visit)(const struct kl_device* device, void* context),
                         void* context);

#ifdef __cplusplus
}
#endif
