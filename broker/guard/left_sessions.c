#include "broker/guard/left_sessions.h"

#include <string.h>

static uint32_t chain_of(const char* name) {
    uint32_t hash = 2166136261U; /* FNV-1a; only trusted names are put into the table. */
    for (; *name; ++name) hash = (hash ^ (unsigned char)*name) * 16777619U;
    return (hash ^ (hash >> 16)) % KL_LEFT_CHAINS;
}

/* Position plus one, or 0. */
static uint32_t find(const struct kl_left_sessions* table, const char* name) {
    uint32_t at = table->chains[chain_of(name)];
    while (at > 0 && strcmp(table->sessions[at - 1].name, name) != 0) {
        at = table->sessions[at - 1].next;
    }
    return at;
}

static void unchain(struct kl_left_sessions* table, uint32_t at) {
    uint32_t* link = &table->chains[chain_of(table->sessions[at - 1].name)];
    while (*link != at) link = &table->sessions[*link - 1].next;
    *link = table->sessions[at - 1].next;
}

/* A place for a name that has none. */
static uint32_t take_place(struct kl_left_sessions* table) {
    if (table->count < KL_DEVICES_MAX) return ++table->count;
    const uint32_t at = table->oldest + 1;
    table->oldest = at % KL_DEVICES_MAX;
    unchain(table, at);
    return at;
}

void kl_left_remember(struct kl_left_sessions* table, const char* name,
                      const struct kl_credential* used, const void* session) {
    uint32_t at = find(table, name);
    if (at == 0) {
        at = take_place(table);
        struct kl_left_session* fresh = &table->sessions[at - 1];
        uint32_t* chain = &table->chains[chain_of(name)];
        memset(fresh, 0, sizeof *fresh);
        strncpy(fresh->name, name, KL_DEVICE_NAME_MAX);
        fresh->next = *chain;
        *chain = at;
    }
    table->sessions[at - 1].session = session;
    table->sessions[at - 1].credential = *used;
}

bool kl_left_is_remembered(const struct kl_left_sessions* table, const char* name,
                           const struct kl_credential* shown, const void* session) {
    const uint32_t at = find(table, name);
    if (at == 0) return false;
    const struct kl_left_session* left = &table->sessions[at - 1];
    return left->session == session && left->credential.kind == shown->kind &&
           memcmp(left->credential.hash, shown->hash, sizeof shown->hash) == 0;
}
