#include "firmware-sim/device/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "firmware-sim/device/records.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::sim {
namespace {

using topics::Epoch;
using topics::Fact;
using topics::Sequence;

enum class Record : char {
    head = 'H',
    kept = 'K',  ///< A fact in a snapshot, behind the head.
    fact = 'F',  ///< A fact appended.
    replaced = 'R',
    acked = 'A',
    dropped = 'D',
    command_started = 'S',
    command_finished = 'E',
};

constexpr std::uint32_t kRecordBytesMax = 1U << 20U;

std::string fact_record(Record type, Epoch epoch, const HeldFact& held) {
    const Fact& fact = held.fact;
    std::string out(1, static_cast<char>(type));
    put(out, epoch.value);
    put(out, held.sequence.value);
    put(out, held.made.epoch.value);
    put(out, held.made.sequence.value);
    put(out, held.name.epoch.value);
    put(out, held.name.sequence.value);
    put(out, fact.at.utc_s);
    put(out, fact.at.boot);
    put(out, fact.at.since_boot_ms);
    put(out, topics::kind_of(fact.body));
    const bool unknown = std::holds_alternative<topics::UnknownFact>(fact.body);
    put(out, unknown ? std::string_view{fact.content}
                     : std::string_view{topics::encode_fact_body(fact.body)});
    return out;
}

std::string marked(Record type, std::int64_t value) {
    std::string out(1, static_cast<char>(type));
    put(out, value);
    return out;
}

FactNumber name_of(FactNumber number) {
    return number.epoch.value > 0 ? number : FactNumber{};
}

/// What `o` says on the wire, if anything.
std::optional<topics::OldNumber> old_number(const HeldFact& held, Epoch epoch) {
    if (held.name.epoch.value == 0 || held.name.epoch == epoch) return std::nullopt;
    return topics::OldNumber{held.name.epoch, held.name.sequence};
}

[[noreturn]] void raise(const std::string& what) {
    throw std::system_error{errno, std::generic_category(), what};
}

void write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            raise("write " + path.string());
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

std::string to_string(FactNumber number) {
    return std::to_string(number.epoch.value) + ":" + std::to_string(number.sequence.value);
}

// == file
// ======================================================================================================

FileStore::FileStore(std::filesystem::path path, bool flush)
    : path_{std::move(path)}, flush_{flush} {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) raise("open " + path_.string());
}

FileStore::~FileStore() {
    ::close(fd_);
}

std::string FileStore::read() {
    std::string out;
    char buffer[65536];
    off_t at = 0;
    for (;;) {
        const ssize_t got = ::pread(fd_, buffer, sizeof buffer, at);
        if (got < 0) {
            if (errno == EINTR) continue;
            raise("read " + path_.string());
        }
        if (got == 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
        at += got;
    }
}

void FileStore::append(std::string_view bytes, bool durable) {
    write_all(fd_, bytes, path_);
    if (durable && flush_ && ::fdatasync(fd_) != 0) raise("fdatasync " + path_.string());
}

void FileStore::replace(std::string_view bytes) {
    const std::filesystem::path beside = path_.string() + ".new";
    const int fd = ::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) raise("open " + beside.string());
    try {
        write_all(fd, bytes, beside);
        if (flush_ && ::fdatasync(fd) != 0) raise("fdatasync " + beside.string());
        if (::rename(beside.c_str(), path_.c_str()) != 0) raise("rename " + beside.string());
    } catch (...) {
        ::close(fd);
        throw;
    }
    ::close(fd_);
    fd_ = fd;
    if (!flush_) return;
    // The name is in the directory, which has to reach the disk as well.
    const std::string parent = path_.has_parent_path() ? path_.parent_path().string() : ".";
    const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) raise("open " + parent);
    const int synced = ::fsync(directory);
    ::close(directory);
    if (synced != 0) raise("fsync " + parent);
}

// == journal
// ===================================================================================================

Journal::Journal(std::unique_ptr<JournalStore> store, JournalSettings settings)
    : store_{std::move(store)}, settings_{settings} {
    load(store_->read());
    ++boot_;
    // Writing everything anew counts the boot, cuts off a torn end and mends what could be mended,
    // in one step.
    rewrite();
}

void Journal::load(std::string_view bytes) {
    std::size_t at = 0;
    std::int64_t damaged_crc = 0;
    std::int64_t damaged_bytes = 0;
    bool damage_at_end = false;
    const auto intact_at = [&](std::size_t position) {
        return record_at(bytes, position, kRecordBytesMax).has_value();
    };
    while (bytes.size() - at >= kRecordHeaderBytes) {
        const std::uint32_t size = u32_at(bytes, at);
        const bool size_known =
            size == ~u32_at(bytes, at + 4) && size > 0 && size <= kRecordBytesMax;
        if (size_known && bytes.size() - at - kRecordHeaderBytes < size)
            break;  // Cut short by a crash.
        if (size_known && intact_at(at)) {
            const std::string_view payload = bytes.substr(at + kRecordHeaderBytes, size);
            if (damage_at_end && (payload[0] == static_cast<char>(Record::fact) ||
                                  payload[0] == static_cast<char>(Record::kept))) {
                Reader reader{payload.substr(1)};
                const Epoch epoch{reader.number()};
                const Sequence sequence{reader.number()};
                if (epoch == epoch_) {
                    fill_hole(Sequence{sequence.value - 1}, damaged_crc, damaged_bytes);
                }
                damage_at_end = false;
            }
            if (!apply(payload)) ++damaged_;
            at += kRecordHeaderBytes + size;
            continue;
        }
        ++damaged_;
        damage_at_end = true;
        damaged_crc = u32_at(bytes, at + 8);
        std::size_t next = at + 1;
        if (size_known) {
            next = at + kRecordHeaderBytes + size;
        } else {
            while (next < bytes.size() && !intact_at(next)) ++next;
        }
        damaged_bytes = static_cast<std::int64_t>(next - at);
        at = next;
    }
    // The damaged record may have been a fact that was shown to a person and even sent: its number
    // must not be given to another.
    if (damage_at_end) fill_hole(Sequence{last_.value + 1}, damaged_crc, damaged_bytes);
    if (last_ < promised_last_) fill_hole(promised_last_, damaged_crc, damaged_bytes);
}

void Journal::fill_hole(Sequence upto, std::int64_t crc, std::int64_t bytes) {
    while (last_ < upto) {
        const Sequence number{last_.value + 1};
        Fact fact;
        fact.at.boot = boot_;
        fact.at.since_boot_ms = 0;
        fact.body = topics::JournalBad{crc, bytes};
        held_.push_back(HeldFact{number, std::move(fact), FactNumber{epoch_, number},
                                 name_of(FactNumber{epoch_, number})});
        last_ = number;
    }
}

bool Journal::apply(std::string_view payload) {
    Reader reader{payload.substr(1)};
    Sequence oldest;
    switch (static_cast<Record>(payload[0])) {
        case Record::head:
            epoch_.value = reader.number();
            boot_ = reader.number();
            acked_.value = reader.number();
            promised_last_.value = reader.number();
            oldest.value = reader.number();
            overrun_ = reader.number();
            command_started_ = reader.number();
            command_finished_ = reader.number();
            // The facts held follow, and count `last_` up to the promised value again. A full ring
            // may have given up what came after the acknowledged ones.
            last_ = oldest.value > 0 ? Sequence{oldest.value - 1} : acked_;
            return reader.good();
        case Record::kept:
        case Record::fact:
        case Record::replaced: {
            const Epoch epoch{reader.number()};
            HeldFact held;
            held.sequence.value = reader.number();
            held.made.epoch.value = reader.number();
            held.made.sequence.value = reader.number();
            held.name.epoch.value = reader.number();
            held.name.sequence.value = reader.number();
            held.fact.at.utc_s = reader.maybe();
            held.fact.at.boot = reader.maybe();
            held.fact.at.since_boot_ms = reader.maybe();
            held.fact.kind = reader.text();
            held.fact.content = reader.text();
            if (!reader.good()) return false;
            auto body = topics::decode_fact_body(held.fact.kind, held.fact.content);
            held.fact.body =
                body ? std::move(*body) : topics::FactBody{topics::UnknownFact{held.fact.kind}};
            held.fact.old = old_number(held, epoch);
            if (static_cast<Record>(payload[0]) == Record::replaced) {
                const auto found = std::ranges::find(held_, held.sequence, &HeldFact::sequence);
                if (found != held_.end()) *found = std::move(held);
                return true;
            }
            if (held_.empty() && (epoch != epoch_ || held.sequence.value > last_.value + 1)) {
                // The head was damaged: the facts know their place.
                epoch_ = epoch;
                acked_.value = held.sequence.value - 1;
                last_ = acked_;
            }
            if (held.sequence <= last_) return true;
            const auto* report = std::get_if<topics::JournalOverrun>(&held.fact.body);
            if (report != nullptr && static_cast<Record>(payload[0]) == Record::fact) {
                overrun_ = std::max<std::int64_t>(0, overrun_ - report->count);
            }
            if (const auto* done = std::get_if<topics::CommandDone>(&held.fact.body)) {
                // A crash may have come between this and the mark behind it.
                command_finished_ = std::max(command_finished_, done->command);
            }
            boot_ = std::max(boot_, held.fact.at.boot.value_or(0));
            last_ = held.sequence;
            held_.push_back(std::move(held));
            return true;
        }
        case Record::acked: {
            const Sequence up_to{reader.number()};
            while (!held_.empty() && held_.front().sequence <= up_to) held_.pop_front();
            acked_ = std::max(acked_, up_to);
            last_ = std::max(last_, up_to);
            return reader.good();
        }
        case Record::dropped: {
            const Sequence up_to{reader.number()};
            while (!held_.empty() && held_.front().sequence <= up_to) {
                held_.pop_front();
                ++overrun_;
            }
            return reader.good();
        }
        case Record::command_started:
            command_started_ = reader.number();
            return reader.good();
        case Record::command_finished:
            command_finished_ = reader.number();
            return reader.good();
    }
    return false;
}

Sequence Journal::append(Fact fact) {
    if (held_.size() >= settings_.facts_max) {
        dropped_.push_back(FactNumber{epoch_, held_.front().sequence});
        write_record(marked(Record::dropped, held_.front().sequence.value), true);
        held_.pop_front();
        ++overrun_;
    }
    last_.value += 1;
    fact.kind = std::string{topics::kind_of(fact.body)};
    fact.old.reset();
    if (const auto* report = std::get_if<topics::JournalOverrun>(&fact.body)) {
        overrun_ = std::max<std::int64_t>(0, overrun_ - report->count);
    }
    const FactNumber number{epoch_, last_};
    held_.push_back(HeldFact{last_, std::move(fact), number, name_of(number)});
    write_record(fact_record(Record::fact, epoch_, held_.back()), true);
    return last_;
}

void Journal::acknowledge(Sequence up_to) {
    if (up_to <= acked_ || up_to > last_) return;
    while (!held_.empty() && held_.front().sequence <= up_to) held_.pop_front();
    acked_ = up_to;
    write_record(marked(Record::acked, up_to.value), false);
}

std::vector<std::pair<FactNumber, FactNumber>> Journal::renumber(Epoch epoch) {
    std::vector<std::pair<FactNumber, FactNumber>> moved;
    moved.reserve(held_.size());
    Sequence next;
    for (HeldFact& held : held_) {
        next.value += 1;
        moved.emplace_back(FactNumber{epoch_, held.sequence}, FactNumber{epoch, next});
        held.sequence = next;
        if (held.name.epoch.value == 0) held.name = FactNumber{epoch, next};
        held.fact.old = old_number(held, epoch);
    }
    epoch_ = epoch;
    acked_ = Sequence{0};
    last_ = next;
    rewrite();
    return moved;
}

void Journal::set_aside(Sequence sequence, std::int64_t crc, std::int64_t bytes) {
    const auto found = std::ranges::find(held_, sequence, &HeldFact::sequence);
    if (found == held_.end()) return;
    found->fact.body = topics::JournalBad{crc, bytes};
    found->fact.kind = topics::JournalBad::kKind;
    found->fact.content = "{}";
    write_record(fact_record(Record::replaced, epoch_, *found), true);
}

void Journal::start_command(std::int64_t command) {
    command_started_ = command;
    write_record(marked(Record::command_started, command), true);
}

void Journal::finish_command(std::int64_t command) {
    command_finished_ = command;
    write_record(marked(Record::command_finished, command), true);
}

void Journal::write_record(std::string_view payload, bool durable) {
    pending_ += framed(payload);
    pending_durable_ = pending_durable_ || durable;
}

void Journal::flush() {
    if (pending_.empty()) return;
    if (written_bytes_ + pending_.size() > compact_at_) {
        rewrite();
        return;
    }
    store_->append(pending_, pending_durable_);
    written_bytes_ += pending_.size();
    pending_.clear();
    pending_durable_ = false;
}

std::string Journal::snapshot() const {
    std::string head(1, static_cast<char>(Record::head));
    for (const std::int64_t value : {epoch_.value, boot_, acked_.value, last_.value, oldest().value,
                                     overrun_, command_started_, command_finished_}) {
        put(head, value);
    }
    std::string out = framed(head);
    for (const HeldFact& held : held_) out += framed(fact_record(Record::kept, epoch_, held));
    return out;
}

void Journal::rewrite() {
    const std::string bytes = snapshot();
    store_->replace(bytes);
    // Facts that still wait are not swept out, so the limit grows with them: else every flush would
    // rewrite all.
    written_bytes_ = bytes.size();
    compact_at_ = std::max(settings_.compact_bytes, bytes.size() * 2);
    pending_.clear();
    pending_durable_ = false;
}

}  // namespace klyuchnik::sim
