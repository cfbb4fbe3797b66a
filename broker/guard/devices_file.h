/* The table of credentials beside the broker, so that a restarted one knows its devices before
 * anybody has told it.
 *
 * Lines as control.h has them, "set" and "drop" only: what was written later counts. It is appended
 * to at every change, without fsync: after a power failure it may be as old as the disk's last
 * flush, and the next snapshot puts that right. It is written anew (beside, then renamed) at the
 * end of a snapshot, and when more than half of it is of no use any more.
 *
 * What can not be read counts as not there, never as valid. One thread; the calls wait for the
 * disk, at KL_DEVICES_MAX devices about 20 ms for the whole file, else for one line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/guard/credentials.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KL_FILE_PATH_MAX = 4096,
    KL_FILE_BYTES_MAX = 64 << 20, /* A larger one is not ours. */
    KL_FILE_SLACK_BYTES = 65536,  /* Below this nothing is written anew for its size. */
};

struct kl_devices_file {
    char path[KL_FILE_PATH_MAX];
    size_t bytes;      /* Of the file as far as we know. */
    bool must_be_anew; /* It has garbage, or a change could not be appended. */
};

struct kl_loaded {
    bool was_missing;
    int error;      /* errno when it could not be read; the table is then as far as it came. */
    size_t garbage; /* Lines that count as not there. */
    size_t full;    /* Devices that had no room. */
};

/* False when the path is too long. */
bool kl_devices_file_init(struct kl_devices_file* file, const char* path);

/* Reads the file into an empty table. A line without its end was cut off and is garbage; a garbage
 * line that begins with a device's name takes that device out. */
struct kl_loaded kl_devices_file_load(struct kl_devices_file* file, struct kl_credentials* table);

/* Records a change: `text` is whole lines. Writes the whole table instead when that is due or
 * `whole` says so. 0, or errno: then the next change writes the whole table. */
int kl_devices_file_record(struct kl_devices_file* file, const struct kl_credentials* table,
                           const char* text, size_t bytes, bool whole);

#ifdef __cplusplus
}
#endif
