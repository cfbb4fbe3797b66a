#include "broker/guard/flood.h"

enum {
    kMilli = 1000,
    /* Both buckets are full after this whatever the rates, and the products below stay small. */
    kFullAfterMs = 24 * 3600 * 1000,
};

struct kl_flood_limits kl_flood_defaults(void) {
    return (struct kl_flood_limits){
        .rate = 100,
        .burst = 400,
        .byte_rate = 1 << 20,
        .byte_burst = 4 << 20,
        .cut_after = 1000,
        .cut_seconds = 30,
    };
}

static uint64_t filled(uint64_t have, uint64_t elapsed_ms, uint32_t rate, uint32_t burst) {
    const uint64_t full = (uint64_t)burst * kMilli;
    const uint64_t sum = have + elapsed_ms * rate;
    return sum < full ? sum : full;
}

static void fill(const struct kl_flood_limits* limits, struct kl_flood* flood, uint64_t now_ms) {
    uint64_t elapsed = kFullAfterMs;
    if (!flood->has_sent) {
        flood->has_sent = true;
        flood->milli_messages = (uint64_t)limits->burst * kMilli;
        flood->milli_bytes = (uint64_t)limits->byte_burst * kMilli;
        flood->filled_ms = now_ms;
        return;
    }
    if (now_ms <= flood->filled_ms) return;
    if (now_ms - flood->filled_ms < elapsed) elapsed = now_ms - flood->filled_ms;
    flood->milli_messages = filled(flood->milli_messages, elapsed, limits->rate, limits->burst);
    flood->milli_bytes = filled(flood->milli_bytes, elapsed, limits->byte_rate, limits->byte_burst);
    flood->filled_ms = now_ms;
}

struct kl_flood_verdict kl_flood_take(const struct kl_flood_limits* limits, struct kl_flood* flood,
                                      uint64_t now_ms, size_t bytes) {
    struct kl_flood_verdict verdict = {false, false, 0};
    const uint64_t cost = (uint64_t)bytes * kMilli;
    fill(limits, flood, now_ms);
    if (flood->milli_messages >= kMilli && flood->milli_bytes >= cost) {
        flood->milli_messages -= kMilli;
        flood->milli_bytes -= cost;
        verdict.allowed = true;
        return verdict;
    }

    if (flood->window_dropped == 0 || now_ms - flood->window_ms >= KL_CUT_WINDOW_MS) {
        flood->window_ms = now_ms;
        flood->window_dropped = 0;
    }
    ++flood->window_dropped;
    ++flood->unreported;
    if (flood->window_dropped > limits->cut_after) {
        verdict.cut = true;
        flood->window_dropped = 0;
        flood->out_until_ms = now_ms + (uint64_t)limits->cut_seconds * kMilli;
    }
    if (verdict.cut || !flood->has_reported || now_ms - flood->reported_ms >= KL_REPORT_MS) {
        verdict.report = flood->unreported;
        flood->unreported = 0;
        flood->has_reported = true;
        flood->reported_ms = now_ms;
    }
    return verdict;
}

bool kl_flood_is_out(const struct kl_flood* flood, uint64_t now_ms) {
    return now_ms < flood->out_until_ms;
}
