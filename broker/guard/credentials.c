#include "broker/guard/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "broker/guard/control.h"

enum {
    kSlotsAtFirst = 256, /* A power of two. */
    kFreeSlot = 0,
};

struct snapshot {
    char token[KL_TOKEN_MAX + 1];
    uint64_t begun_as; /* 0: free. */
};

/* Devices lie side by side, and `slots` says where: an open-addressed hash table of positions plus
 * one, at most half full. */
struct kl_credentials {
    struct kl_device* devices;
    size_t count;
    size_t capacity;
    uint32_t* slots;
    size_t slot_count;
    size_t text_bytes;
    uint64_t snapshots_begun;
    struct snapshot snapshots[KL_SNAPSHOTS_MAX];
};

static size_t hash_of(const char* name) {
    uint64_t hash = 14695981039346656037U; /* FNV-1a; only trusted names are put into the table. */
    for (; *name; ++name) hash = (hash ^ (unsigned char)*name) * 1099511628211U;
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot of `name`, or the free one where it would be. */
static size_t slot_of(const struct kl_credentials* table, const char* name) {
    const size_t mask = table->slot_count - 1;
    size_t slot = hash_of(name) & mask;
    while (table->slots[slot] != kFreeSlot &&
           strcmp(table->devices[table->slots[slot] - 1].name, name) != 0) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static bool grow_devices(struct kl_credentials* table) {
    const size_t capacity = table->capacity ? table->capacity * 2 : kSlotsAtFirst / 2;
    struct kl_device* devices = realloc(table->devices, capacity * sizeof *devices);
    if (!devices) return false;
    table->devices = devices;
    table->capacity = capacity;
    return true;
}

static bool grow_slots(struct kl_credentials* table) {
    const size_t slot_count = table->slot_count ? table->slot_count * 2 : kSlotsAtFirst;
    uint32_t* slots = calloc(slot_count, sizeof *slots);
    if (!slots) return false;
    free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    for (size_t i = 0; i < table->count; ++i) {
        slots[slot_of(table, table->devices[i].name)] = (uint32_t)(i + 1);
    }
    return true;
}

struct kl_credentials* kl_credentials_new(void) {
    struct kl_credentials* table = calloc(1, sizeof *table);
    if (table && (!grow_devices(table) || !grow_slots(table))) {
        kl_credentials_free(table);
        return NULL;
    }
    return table;
}

void kl_credentials_free(struct kl_credentials* table) {
    if (!table) return;
    free(table->devices);
    free(table->slots);
    free(table);
}

size_t kl_credentials_count(const struct kl_credentials* table) {
    return table->count;
}

size_t kl_credentials_text_bytes(const struct kl_credentials* table) {
    return table->text_bytes;
}

static size_t text_bytes_of(const struct kl_device* device) {
    return kl_set_line_bytes(strlen(device->name), device->credential_count);
}

/* 0 when equal. Looks at every byte in any case. */
static unsigned difference(const struct kl_credential* a, const struct kl_credential* b) {
    unsigned bits = (unsigned)(a->kind ^ b->kind);
    for (size_t i = 0; i < KL_HASH_BYTES; ++i) bits |= (unsigned)(a->hash[i] ^ b->hash[i]);
    return bits;
}

/* Takes the same time for every device, and for one without credentials. */
static bool has(const struct kl_device* device, const struct kl_credential* wanted) {
    bool found = false;
    for (size_t i = 0; i < KL_CREDENTIALS_MAX; ++i) {
        const bool equal = difference(&device->credentials[i], wanted) == 0;
        found |= equal & (i < device->credential_count);
    }
    return found;
}

/* As sets: the order of credentials has no meaning. */
static bool same_credentials(const struct kl_device* device,
                             const struct kl_credential* credentials, size_t count) {
    if (device->credential_count != count) return false;
    for (size_t i = 0; i < count; ++i) {
        if (!has(device, &credentials[i])) return false;
    }
    struct kl_device given = {.credential_count = (uint8_t)count};
    memcpy(given.credentials, credentials, count * sizeof *credentials);
    for (size_t i = 0; i < count; ++i) {
        if (!has(&given, &device->credentials[i])) return false;
    }
    return true;
}

enum kl_set_result kl_credentials_set(struct kl_credentials* table, const char* name,
                                      const struct kl_credential* credentials, size_t count) {
    enum kl_set_result result = KL_SET_CHANGED;
    size_t slot = slot_of(table, name);
    if (count < 1 || count > KL_CREDENTIALS_MAX) return KL_SET_FULL;
    if (table->slots[slot] == kFreeSlot) {
        if (table->count >= KL_DEVICES_MAX) return KL_SET_FULL;
        if (table->count == table->capacity && !grow_devices(table)) return KL_SET_FULL;
        if ((table->count + 1) * 2 > table->slot_count) {
            if (!grow_slots(table)) return KL_SET_FULL;
            slot = slot_of(table, name);
        }
        struct kl_device* fresh = &table->devices[table->count];
        memset(fresh, 0, sizeof *fresh);
        strncpy(fresh->name, name, KL_DEVICE_NAME_MAX);
        table->text_bytes += text_bytes_of(fresh);
        table->slots[slot] = (uint32_t)++table->count;
    }
    struct kl_device* device = &table->devices[table->slots[slot] - 1];
    device->set_at = table->snapshots_begun;
    if (same_credentials(device, credentials, count)) return KL_SET_SAME;
    table->text_bytes -= text_bytes_of(device);
    memset(device->credentials, 0, sizeof device->credentials);
    memcpy(device->credentials, credentials, count * sizeof *credentials);
    device->credential_count = (uint8_t)count;
    table->text_bytes += text_bytes_of(device);
    if (device->has_used && !has(device, &device->used)) {
        device->has_used = false;
        result = KL_SET_CUT;
    }
    return result;
}

/* Those behind a freed slot that would no longer be found move up. */
static void free_slot(struct kl_credentials* table, size_t slot) {
    const size_t mask = table->slot_count - 1;
    size_t next = slot;
    for (;;) {
        next = (next + 1) & mask;
        if (table->slots[next] == kFreeSlot) break;
        const size_t home = hash_of(table->devices[table->slots[next] - 1].name) & mask;
        if (((next - home) & mask) >= ((next - slot) & mask)) {
            table->slots[slot] = table->slots[next];
            slot = next;
        }
    }
    table->slots[slot] = kFreeSlot;
}

bool kl_credentials_drop(struct kl_credentials* table, const char* name) {
    const size_t slot = slot_of(table, name);
    if (table->slots[slot] == kFreeSlot) return false;
    const size_t at = table->slots[slot] - 1;
    const size_t last = table->count - 1;
    table->text_bytes -= text_bytes_of(&table->devices[at]);
    free_slot(table, slot);
    if (at != last) {
        table->slots[slot_of(table, table->devices[last].name)] = (uint32_t)(at + 1);
        table->devices[at] = table->devices[last];
    }
    --table->count;
    return true;
}

bool kl_credentials_accept(struct kl_credentials* table, const char* name,
                           const struct kl_credential* shown, const void* session) {
    static const struct kl_device unknown = {.credential_count = 0};
    struct kl_device* device = kl_credentials_find(table, name);
    if (!has(device ? device : &unknown, shown)) return false;
    device->used = *shown;
    device->session = session;
    device->has_used = true;
    return true;
}

struct kl_device* kl_credentials_find(struct kl_credentials* table, const char* name) {
    const uint32_t position = table->slots[slot_of(table, name)];
    return position == kFreeSlot ? NULL : &table->devices[position - 1];
}

void kl_credentials_begin(struct kl_credentials* table, const char* token) {
    struct snapshot* place = &table->snapshots[0];
    for (size_t i = 0; i < KL_SNAPSHOTS_MAX; ++i) {
        struct snapshot* snapshot = &table->snapshots[i];
        if (snapshot->begun_as > 0 && strcmp(snapshot->token, token) == 0) {
            place = snapshot;
            break;
        }
        if (snapshot->begun_as < place->begun_as) place = snapshot;
    }
    memset(place, 0, sizeof *place);
    strncpy(place->token, token, KL_TOKEN_MAX);
    place->begun_as = ++table->snapshots_begun;
}

bool kl_credentials_end(struct kl_credentials* table, const char* token,
                        void (*on_drop)(const struct kl_device* dropped, void* context),
                        void* context) {
    for (size_t i = 0; i < KL_SNAPSHOTS_MAX; ++i) {
        struct snapshot* snapshot = &table->snapshots[i];
        if (snapshot->begun_as == 0 || strcmp(snapshot->token, token) != 0) continue;
        const uint64_t begun_as = snapshot->begun_as;
        snapshot->begun_as = 0;
        /* Backwards, since the last device takes the place of a dropped one. */
        for (size_t at = table->count; at-- > 0;) {
            const struct kl_device device = table->devices[at];
            if (device.set_at >= begun_as) continue;
            (void)kl_credentials_drop(table, device.name);
            if (on_drop) on_drop(&device, context);
        }
        return true;
    }
    return false;
}

bool kl_credentials_each(const struct kl_credentials* table,
                         bool (*visit)(const struct kl_device* device, void* context),
                         void* context) {
    for (size_t i = 0; i < table->count; ++i) {
        if (!visit(&table->devices[i], context)) return false;
    }
    return true;
}
