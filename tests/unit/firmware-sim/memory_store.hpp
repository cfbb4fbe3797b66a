// A flash chip for tests: it knows what was flushed, so a test can take the power away at any byte.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "firmware-sim/device/journal.hpp"

namespace klyuchnik::test {

struct Flash {
    std::string bytes;
    std::size_t flushed = 0;  ///< What survives for certain.
    bool lies = false;        ///< A broken chip: says that it flushed and did not.
};

/// A view of a Flash that outlives it, as a journal object is outlived by the chip.
class MemoryStore final : public sim::JournalStore {
 public:
    explicit MemoryStore(std::shared_ptr<Flash> flash) : flash_{std::move(flash)} {}

    std::string read() override { return flash_->bytes; }
    void append(std::string_view bytes, bool durable) override {
        flash_->bytes += bytes;
        if (durable && !flash_->lies) flash_->flushed = flash_->bytes.size();
    }
    void replace(std::string_view bytes) override {
        flash_->bytes = bytes;
        flash_->flushed = bytes.size();
    }

 private:
    std::shared_ptr<Flash> flash_;
};

}  // namespace klyuchnik::test
