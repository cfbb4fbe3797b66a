/* How much a device may send: a token bucket for messages and one for bytes, as pure arithmetic.
 *
 * No Mosquitto types, no clock of its own, no memory: the caller passes the time and keeps one
 * `struct kl_flood` for each device. All zeros is a device that has not sent anything yet; both of
 * its buckets are full.
 *
 * A message takes one token and as many byte tokens as it has bytes. When either is missing it is
 * over the share: to be dropped, counted, and reported (the first at once, then once in
 * KL_REPORT_MS). A device that has more than `cut_after` messages dropped within KL_CUT_WINDOW_MS
 * is to be cut, and kept out for `cut_seconds`. Tokens are not given back by connecting again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KL_REPORT_MS = 5000,
    KL_CUT_WINDOW_MS = 10000,
    KL_RATE_MAX = 1000000,      /* Messages per second, and of `burst`. */
    KL_BYTE_RATE_MAX = 1 << 30, /* Bytes per second, and of `byte_burst`. */
    KL_CUT_SECONDS_MAX = 86400,
};

struct kl_flood_limits {
    uint32_t rate;       /* Messages per second. */
    uint32_t burst;      /* Messages at once, after a silence. */
    uint32_t byte_rate;  /* Bytes (topic and payload) per second. */
    uint32_t byte_burst; /* Bytes at once; at least one largest message, or it never passes. */
    uint32_t cut_after;
    uint32_t cut_seconds;
};

struct kl_flood {
    uint64_t milli_messages; /* Thousandths of tokens, so that a millisecond adds a whole number. */
    uint64_t milli_bytes;
    uint64_t filled_ms;
    uint64_t window_ms; /* When the present window of drops began. */
    uint64_t reported_ms;
    uint64_t out_until_ms; /* The device may not connect before. */
    uint32_t window_dropped;
    uint32_t unreported;
    bool has_sent;
    bool has_reported;
};

struct kl_flood_verdict {
    bool allowed;
    bool cut;        /* Its connection is to be ended now. Never together with `allowed`. */
    uint32_t report; /* So many were dropped since the last report: say so now. 0: say nothing. */
};

/* Defaults: 100 messages and 1 MiB per second, four seconds' worth at once, out for 30 s after more
 * than 1000 dropped ones. */
struct kl_flood_limits kl_flood_defaults(void);

/* A message of `bytes` has come at `now_ms` of a clock that does not jump; one that goes backwards
 * adds no tokens. */
struct kl_flood_verdict kl_flood_take(const struct kl_flood_limits* limits, struct kl_flood* flood,
                                      uint64_t now_ms, size_t bytes);

/* True while a device that was cut is kept out. */
bool kl_flood_is_out(const struct kl_flood* flood, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
