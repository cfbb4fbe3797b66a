/* Sessions that MQTT 5 clients have left behind and whose credential has been taken away since.
 *
 * No Mosquitto types, no clock. One thread. All zeros is an empty table; its memory (5 MB, of which
 * the system gives what is used) is part of it, so that remembering never fails.
 *
 * A device has one session at most, since its client id is its name: the last one takes the place
 * of the one before. One device more than KL_DEVICES_MAX takes the place of the one remembered
 * first; there are never so many, unless devices were also dropped and others added meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "broker/guard/access.h"
#include "broker/guard/credentials.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { KL_LEFT_CHAINS = 1 << 16 };

struct kl_left_session {
    const void* session; /* What the caller knows it by; compared, never looked into. */
    char name[KL_DEVICE_NAME_MAX + 1];
    struct kl_credential credential;
    uint32_t next; /* Of its chain: position plus one, 0 = the last. */
};

struct kl_left_sessions {
    struct kl_left_session sessions[KL_DEVICES_MAX];
    uint32_t chains[KL_LEFT_CHAINS]; /* By hash of the name: position plus one. */
    uint32_t count;
    uint32_t oldest; /* Position of the one remembered first, once all are taken. */
};

/* `name` is a valid device name. */
void kl_left_remember(struct kl_left_sessions* table, const char* name,
                      const struct kl_credential* used, const void* session);

/* True for exactly what was remembered last of this name. */
bool kl_left_is_remembered(const struct kl_left_sessions* table, const char* name,
                           const struct kl_credential* shown, const void* session);

#ifdef __cplusplus
}
#endif
