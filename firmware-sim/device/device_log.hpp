// The last lines that a device wrote, for whoever asks for its log.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "firmware-sim/device/document_pull.hpp"

namespace klyuchnik::sim {

/// A ring in memory: the oldest lines go when there is no room, and all of them with a reboot.
class DeviceLog {
 public:
    explicit DeviceLog(std::size_t bytes_max) : bytes_max_{bytes_max} {}

    /// One line, with the boot and the milliseconds since it in front; a longer one is cut to the
    /// size of the ring.
    void add(std::int64_t boot, Uptime now, const std::string& line) {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        std::string whole = std::to_string(boot) + " " + std::to_string(ms) + " " + line;
        whole.resize(std::min(whole.size(), bytes_max_ - 1));
        whole += '\n';
        bytes_ += whole.size();
        lines_.push_back(std::move(whole));
        while (bytes_ > bytes_max_) {
            bytes_ -= lines_.front().size();
            lines_.pop_front();
        }
    }

    std::string text() const {
        std::string all;
        all.reserve(bytes_);
        for (const std::string& line : lines_) all += line;
        return all;
    }

 private:
    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::deque<std::string> lines_;
};

}  // namespace klyuchnik::sim
