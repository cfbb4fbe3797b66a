#include "tests/unit/firmware-sim/schedule.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/protocol.hpp"
#include "firmware-sim/device/rights.hpp"
#include "topics/chunk.hpp"
#include "topics/codec.hpp"
#include "topics/rights_document.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using sim::FactNumber;
using sim::Uptime;
using topics::AckError;
using topics::Connection;
using topics::Epoch;
using topics::Level;
using topics::Sequence;

constexpr std::int64_t kStart_s = 1'763'690'000;
/// Nothing is under way for longer: TCP gives up, or the connection is another one by then.
constexpr Uptime kUnderWayMax = 40s;
constexpr int kQuietStepsMax = 4000;
constexpr std::int64_t kPacket = 256;

// == chance
// ===========================================================================================

class Chance {
 public:
    explicit Chance(std::uint64_t seed) : random_{seed} {}
    bool percent(int percent) { return static_cast<int>(any(100)) < percent; }
    std::size_t any(std::size_t count) {
        return std::uniform_int_distribution<std::size_t>{0, count - 1}(random_);
    }
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>{low, high}(random_);
    }
    std::uint64_t seed() { return random_(); }
    std::string bytes(std::size_t count) {
        std::string out(count, '\0');
        for (char& byte : out) byte = static_cast<char>(any(256));
        return out;
    }

 private:
    std::mt19937_64 random_;
};

// == flash
// ============================================================================================

/// The power went in the middle of a write.
struct PowerCut {};

/// All that survives: areas of bytes, of which those that were not flushed may be missing.
class Chip {
 public:
    bool lies = false;
    std::optional<std::size_t> bytes_left;  ///< Until the power goes.

    std::string read(std::string_view area) {
        const auto found = areas_.find(area);
        return found == areas_.end() ? std::string{} : found->second.bytes;
    }
    void append(std::string_view area, std::string_view bytes, bool durable) {
        Area& its = areas_[std::string{area}];
        if (bytes_left && *bytes_left < bytes.size()) {
            its.bytes += bytes.substr(0, *bytes_left);
            cut();
        }
        if (bytes_left) *bytes_left -= bytes.size();
        its.bytes += bytes;
        if (durable && !lies) its.flushed = its.bytes.size();
    }
    void replace(std::string_view area, std::string_view bytes) {
        if (bytes_left && *bytes_left < bytes.size()) cut();
        if (bytes_left) *bytes_left -= bytes.size();
        areas_[std::string{area}] = Area{std::string{bytes}, bytes.size()};
    }
    void lose_power(Chance& chance) {
        bytes_left.reset();
        for (auto& [name, area] : areas_) {
            if (area.bytes.size() <= area.flushed) continue;
            area.bytes.resize(area.flushed + chance.any(area.bytes.size() - area.flushed + 1));
            area.flushed = area.bytes.size();
        }
    }

 private:
    struct Area {
        std::string bytes;
        std::size_t flushed = 0;
    };
    [[noreturn]] void cut() {
        bytes_left.reset();
        throw PowerCut{};
    }

    std::map<std::string, Area, std::less<>> areas_;
};

class ChipJournal final : public sim::JournalStore {
 public:
    explicit ChipJournal(Chip& chip) : chip_{chip} {}
    std::string read() override { return chip_.read("journal"); }
    void append(std::string_view bytes, bool durable) override {
        chip_.append("journal", bytes, durable);
    }
    void replace(std::string_view bytes) override { chip_.replace("journal", bytes); }

 private:
    Chip& chip_;
};

class ChipDocuments final : public sim::DocumentStore {
 public:
    explicit ChipDocuments(Chip& chip) : chip_{chip} {}
    std::string read(std::string_view area) override { return chip_.read(area); }
    void append(std::string_view area, std::string_view bytes) override {
        chip_.append(area, bytes, false);
    }
    void replace(std::string_view area, std::string_view bytes) override {
        chip_.replace(area, bytes);
    }

 private:
    Chip& chip_;
};

// == server
// ===========================================================================================

struct Message {
    Level level;
    std::string payload;
    Uptime sent{0};
};

struct OpenCommand {
    topics::Command command;
    bool accepted = false;
};

/// What the contract says of a server, and no more; nothing here comes from the handlers.
class ModelServer {
 public:
    ModelServer(const Plant& plant, Chance& chance) : plant_{plant}, chance_{chance} {
        make_rights();
    }

    /// What came up, and what goes down for it.
    std::vector<Message> hear(const Message& message, Uptime now) {
        now_ = now;
        out_.clear();
        switch (message.level) {
            case Level::state:
                hear_birth(message.payload);
                break;
            case Level::facts:
                hear_batch(message.payload);
                break;
            case Level::telemetry: {
                const Connection cn = topics::decode_heartbeat(message.payload)->cn;
                ack(cn, known_.contains(cn.value) ? AckError::none : AckError::hello);
                break;
            }
            case Level::request:
                hear_request(*topics::decode_request(message.payload));
                break;
            case Level::chunk_up:
                hear_chunk(*topics::decode_chunk(message.payload));
                break;
            default:
                break;
        }
        return std::exchange(out_, {});
    }

    void forget_connections() { known_.clear(); }
    void begin_new_epoch() { force_epoch_ = true; }
    void make_rights() {
        topics::RightsDocument document;
        document.version = ++rights_version;
        document.made_s = 0;
        // Always the same size, so that a mixture of two could be read as one.
        for (int key = 0; key < 24; ++key) {
            topics::RightsKey its;
            its.slot.value = key + 1;
            its.name.value = std::to_string(rights_version % 10) + "k" + std::to_string(key + 10) +
                             std::string(20, 'x');
            document.keys.push_back(its);
        }
        published[rights_version] = topics::encode(document);
    }
    void make_firmware() {
        firmware_wanted = "2." + std::to_string(++firmware_version_);
        firmware_ = chance_.bytes(200 + chance_.any(800));
    }
    void make_command(topics::CommandBody body, Uptime now) {
        topics::Command command;
        command.number = ++last_command_;
        command.expires_s = utc_s(now) + chance_.between(5, 60);
        command.body = std::move(body);
        expiry[command.number] = command.expires_s;
        open_.push_back({std::move(command), false});
    }
    /// The lowest open command once more, to the connection that is known.
    std::vector<Message> send_command(Uptime now) {
        while (!open_.empty() &&
               (open_.front().accepted || utc_s(now) >= open_.front().command.expires_s)) {
            open_.erase(open_.begin());
        }
        if (open_.empty() || !known_.contains(present_.value)) return {};
        topics::Command command = open_.front().command;
        command.cn = present_;
        return {Message{Level::command, topics::encode(command)}};
    }
    /// The first chunks that are missing of the document that the device offers.
    std::vector<Message> ask_for_chunks() {
        if (!upload_ || upload_->whole() || !known_.contains(present_.value)) return {};
        topics::ChunksWanted wanted;
        wanted.cn = present_;
        wanted.document = upload_->ready.document;
        while (upload_->chunks.contains(wanted.index)) ++wanted.index;
        wanted.count = chance_.between(1, 4);
        return {Message{Level::chunk_down, topics::encode(wanted)}};
    }

    static std::int64_t utc_s(Uptime now) {
        return kStart_s + std::chrono::floor<std::chrono::seconds>(now).count();
    }

    bool fetching(const std::string* held) const {
        return upload_ && !upload_->whole() && held != nullptr &&
               topics::to_hex(topics::sha256(*held)) == upload_->ready.sha256;
    }

    std::vector<std::string> stored;                         ///< Cards, in the order of commits.
    std::map<std::int64_t, std::vector<std::int64_t>> done;  ///< By command: `rc` of its ends.
    std::map<std::int64_t, std::int64_t> expiry;
    std::map<std::int64_t, std::string> published;  ///< Every version of the rights.
    std::int64_t rights_version = 0;
    std::optional<std::string> firmware_wanted;
    std::map<std::string, int> firmware_failed;  ///< How often it was said of a version.
    std::int64_t fetched = 0;
    std::int64_t wrong_fetches = 0;
    bool breaks_chunks = false;  ///< Sometimes a byte is wrong, and its CRC is right.

 private:
    struct Upload {
        topics::DocumentReady ready;
        std::map<std::int64_t, std::string> chunks;
        std::int64_t total = -1;
        bool whole() const { return total == static_cast<std::int64_t>(chunks.size()); }
    };

    void say(Level level, std::string payload) {
        out_.push_back(Message{level, std::move(payload)});
    }

    void hear_birth(const std::string& payload) {
        const auto birth = std::get<topics::Birth>(*topics::decode_state(payload));
        known_.insert(birth.cn.value);
        present_ = birth.cn;
        const bool strange = birth.epoch.value == 0 || birth.epoch != epoch_ || birth.hi < last_;
        if ((strange || force_epoch_) && !issued_.contains(birth.cn.value)) {
            force_epoch_ = false;
            epoch_.value += 1;
            last_ = Sequence{0};
            issued_.insert(birth.cn.value);
        }
        ack(birth.cn, birth.epoch != epoch_ ? AckError::epoch : AckError::none);
    }

    void hear_batch(const std::string& payload) {
        const auto batch = topics::decode_facts(payload);
        if (!batch) return;
        if (!known_.contains(batch->cn.value)) return ack(batch->cn, AckError::hello);
        if (batch->epoch != epoch_) return ack(batch->cn, AckError::epoch);
        if (batch->lo.value > last_.value + 1) last_.value = batch->lo.value - 1;
        if (batch->first.value > last_.value + 1) return ack(batch->cn, AckError::gap);
        for (std::size_t i = 0; i < batch->facts.size(); ++i) {
            const Sequence sequence{batch->first.value + static_cast<std::int64_t>(i)};
            if (sequence <= last_) continue;
            const topics::Fact& fact = batch->facts[i];
            FactNumber name{epoch_, sequence};
            if (fact.old && !plant_.forgets_old_numbers) {
                name = FactNumber{fact.old->epoch, fact.old->sequence};
            }
            last_ = sequence;
            if (!names_.insert(name).second) continue;
            if (plant_.acks_before_commit && name.sequence.value % 7 == 0) continue;
            store(fact);
        }
        ack(batch->cn, AckError::none);
    }

    void store(const topics::Fact& fact) {
        if (const auto* tap = std::get_if<topics::CardTapped>(&fact.body)) {
            stored.push_back(tap->card.value);
        } else if (const auto* accepted = std::get_if<topics::CommandAccepted>(&fact.body)) {
            for (OpenCommand& open : open_) {
                if (open.command.number == accepted->command) open.accepted = true;
            }
        } else if (const auto* end = std::get_if<topics::CommandDone>(&fact.body)) {
            done[end->command].push_back(end->rc);
        } else if (const auto* ready = std::get_if<topics::DocumentReady>(&fact.body)) {
            upload_ = Upload{*ready, {}, -1};
        } else if (const auto* failed = std::get_if<topics::FirmwareFailed>(&fact.body)) {
            ++firmware_failed[failed->version];
        }
    }

    void hear_request(const topics::Request& request) {
        topics::RequestAnswer answer;
        answer.cn = request.cn;
        answer.number = request.number;
        answer.rc = 404;
        const auto content = [&](const std::string& document,
                                 std::int64_t version) -> std::optional<std::string> {
            if (document == sim::kFirmwareDocument) {
                if (!firmware_wanted || (version != 0 && version != firmware_version_)) return {};
                return firmware_;
            }
            // The present one and the one before.
            const std::int64_t which = version == 0 ? rights_version : version;
            if (which < rights_version - 1 || !published.contains(which)) return {};
            return published[which];
        };
        const std::int64_t chunk_bytes = topics::chunk_bytes_for(kPacket);
        if (const auto* ask = std::get_if<topics::DocumentInfo>(&request.body)) {
            if (const auto found = content(ask->document, ask->version)) {
                topics::DocumentFacts facts;
                facts.version = ask->document == sim::kFirmwareDocument ? firmware_version_
                                : ask->version == 0                     ? rights_version
                                                                        : ask->version;
                facts.bytes = static_cast<std::int64_t>(found->size());
                facts.sha256 = topics::to_hex(topics::sha256(*found));
                facts.chunk_bytes = chunk_bytes;
                answer.rc = 0;
                answer.document = facts;
            }
        } else if (const auto* get = std::get_if<topics::DocumentGet>(&request.body)) {
            const auto found = content(get->document, get->version);
            if (found && get->index < topics::chunks_of(static_cast<std::int64_t>(found->size()),
                                                        chunk_bytes)) {
                topics::Chunk chunk = topics::chunk_at(
                    *found, topics::tag_of(topics::sha256(*found)), get->index, chunk_bytes);
                if (breaks_chunks && chance_.percent(20)) chunk.bytes[0] ^= 1;
                say(Level::chunk_down, topics::encode(chunk));
                return;
            }
        }
        say(Level::answer, topics::encode(answer));
    }

    void hear_chunk(const topics::Chunk& chunk) {
        if (!upload_ || upload_->whole()) return;
        std::string hex;
        for (const std::uint8_t byte : chunk.document) {
            static constexpr std::string_view kDigits = "0123456789abcdef";
            hex += kDigits[byte >> 4U];
            hex += kDigits[byte & 15U];
        }
        if (upload_->ready.sha256.substr(0, 16) != hex) return;
        upload_->total = chunk.total;
        upload_->chunks[chunk.index] = chunk.bytes;
        if (!upload_->whole()) return;
        std::string all;
        for (const auto& [index, bytes] : upload_->chunks) all += bytes;
        ++fetched;
        if (topics::to_hex(topics::sha256(all)) != upload_->ready.sha256) ++wrong_fetches;
    }

    void ack(Connection cn, AckError error) {
        topics::Ack ack;
        ack.cn = cn;
        ack.epoch = epoch_;
        ack.acked = last_;
        ack.now_s = utc_s(now_);
        ack.lease_s = 3600;
        ack.rights_version = rights_version;
        ack.firmware_wanted = firmware_wanted;
        ack.error = error;
        say(Level::ack, topics::encode(ack));
    }

    const Plant& plant_;
    Chance& chance_;
    Uptime now_{0};
    std::vector<Message> out_;
    Epoch epoch_{0};
    Sequence last_;
    Connection present_;
    std::set<std::int64_t> known_;
    /// Connections that were given an epoch: the same birth, the same epoch.
    std::set<std::int64_t> issued_;
    std::set<FactNumber> names_;
    bool force_epoch_ = false;
    std::vector<OpenCommand> open_;
    std::int64_t last_command_ = 0;
    std::int64_t firmware_version_ = 0;
    std::string firmware_;
    std::optional<Upload> upload_;
};

// == the schedule
// =====================================================================================

/// One device from its first boot to the quiet end.
class Schedule {
 public:
    Schedule(std::uint64_t seed, const Plant& plant, bool trace)
        : plant_{plant}, trace_{trace}, chance_{seed}, server_{plant, chance_} {
        loss_ = static_cast<int>(chance_.any(40));
        orderly_ = chance_.percent(50);
        repeat_ = orderly_ ? 0 : static_cast<int>(chance_.any(30));
        power_cut_ = static_cast<int>(chance_.any(6));
        with_firmware_ = chance_.percent(25);
        speed_ = 1 + chance_.any(8);
        // Else a device that takes any chunk would be found by a broken one already.
        server_.breaks_chunks = chance_.percent(20) && !plant.device.believes_any_chunk;
        chip_.lies = plant.chip_lies;
    }

    Outcome run() {
        boot();
        const std::size_t steps = 80 + chance_.any(240);
        for (std::size_t step = 0; step < steps; ++step) one_step();
        quiet_down();
        check_end();
        return std::move(outcome_);
    }

 private:
    Uptime uptime() const { return time_ - booted_; }

    void say(const std::string& line) const {
        if (!trace_) return;
        std::fprintf(stderr, "%10.3f %s\n", std::chrono::duration<double>(time_).count(),
                     line.c_str());
    }
    void wrong(std::string what) {
        say("WRONG: " + what);
        outcome_.wrong.push_back(std::move(what));
    }

    // -- the device
    void boot() {
        for (;;) {
            try {
                try_boot();
                return;
            } catch (const PowerCut&) {
                ++outcome_.power_cuts;
            }
        }
    }

    void try_boot() {
        if (device_) {
            ++outcome_.reboots;
            outcome_.resent += device_->counters().resent;
            outcome_.epochs += device_->counters().epochs;
        }
        say("boot");
        device_.reset();
        documents_.reset();
        journal_.reset();
        running_.reset();
        chip_.lose_power(chance_);
        booted_ = time_;
        sim::JournalSettings journal_settings;
        journal_settings.compact_bytes = 512 + chance_.any(4096);
        journal_ =
            std::make_unique<sim::Journal>(std::make_unique<ChipJournal>(chip_), journal_settings);
        documents_ = std::make_unique<sim::Documents>(document_store_);
        check_rights();
        if (documents_->rights_version() < rights_before_) {
            wrong("rights " + std::to_string(rights_before_) + " became " +
                  std::to_string(documents_->rights_version()) + " by a crash");
        }
        if (const auto* partial = documents_->partial(sim::kRightsDocument);
            partial != nullptr && partial->chunks > 0) {
            ++outcome_.downloads_resumed;
        }
        rights_ = std::make_unique<sim::DocumentRights>(*documents_);
        sim::DeviceSettings settings;
        settings.id = *topics::DeviceId::parse("kc-hall1");
        settings.packet_bytes_max = kPacket;
        settings.chunk_pause = Uptime{0};
        settings.firmware = "1.0";
        settings.log_bytes_max = 1500;
        settings.seed = chance_.seed();
        settings.mistakes = plant_.device;
        device_ =
            std::make_unique<sim::DeviceProtocol>(settings, *journal_, *rights_, documents_.get());
        outcome_.firmware_rolled_back += device_->counters().rolled_back;
        if (const std::string& refused = documents_->state().firmware_refused; !refused.empty()) {
            rolled_back_.insert(refused);
        }
        act();
        connect();
    }

    void restart_if_wanted() {
        if (!std::exchange(restart_, false)) return;
        boot();
        // An image that does not come up: the boot loader has tried it once.
        if (device_->on_trial() && chance_.percent(30)) boot();
    }

    void connect() {
        const Connection cn{chance_.between(1, 0xFFFF'FFFF)};
        say("connect " + std::to_string(cn.value));
        device_->connected(cn, uptime());
        if (faults_ && chance_.percent(8)) return;
        device_->subscribed(uptime());
        act();
    }

    /// Runs something on the device. False: the power went meanwhile.
    template <class Act>
    bool with_power(Act what) {
        try {
            what();
            act();
            return true;
        } catch (const PowerCut&) {
            say("the power goes");
            ++outcome_.power_cuts;
            boot();
            return false;
        }
    }

    void act() {
        for (sim::Action& action : device_->take_actions()) {
            if (auto* publish = std::get_if<sim::Publish>(&action)) {
                send(up_, Message{publish->level, std::move(publish->payload)});
            } else if (const auto* run = std::get_if<sim::Run>(&action)) {
                command_runs(run->command);
            } else if (std::holds_alternative<sim::RightsChanged>(action)) {
                ++outcome_.rights_changed;
                check_rights();
                rights_before_ = documents_->rights_version();
            } else if (std::holds_alternative<sim::InstallFirmware>(action) ||
                       std::holds_alternative<sim::RollBackFirmware>(action)) {
                restart_ = true;
            }
        }
    }

    void command_runs(std::int64_t command) {
        ++outcome_.commands_run;
        say("runs command " + std::to_string(command));
        if (!runs_.insert(command).second) {
            wrong("command " + std::to_string(command) + " ran twice");
        }
        const Uptime until = std::chrono::seconds{server_.expiry.at(command) - kStart_s};
        if (orderly_ && time_ >= until) {
            wrong("command " + std::to_string(command) + " ran after its expiry");
        }
        running_ = command;
    }

    void check_rights() {
        const topics::RightsDocument* held = documents_->rights();
        if (held == nullptr) return;
        const auto made = server_.published.find(held->version);
        if (made == server_.published.end() || made->second != topics::encode(*held)) {
            wrong("the rights held are no version that was made");
        }
    }

    // -- the network
    void send(std::vector<Message>& queue, Message message) {
        message.sent = time_;
        if (faults_ && chance_.percent(loss_)) return;
        queue.push_back(message);
        if (faults_ && chance_.percent(repeat_)) queue.push_back(std::move(message));
    }
    std::optional<Message> pass_one(std::vector<Message>& queue) {
        std::erase_if(queue, [&](const Message& one) { return time_ - one.sent > kUnderWayMax; });
        if (queue.empty()) return std::nullopt;
        const bool overtakes = faults_ && !orderly_ && chance_.percent(30);
        const std::size_t place = overtakes ? chance_.any(queue.size()) : 0;
        Message message = std::move(queue[place]);
        queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(place));
        return message;
    }
    static std::string readable(const Message& message) {
        const bool text = !message.payload.empty() && message.payload.front() == '{';
        return text ? message.payload : std::to_string(message.payload.size()) + " bytes";
    }
    bool up_one() {
        const auto message = pass_one(up_);
        if (!message) return false;
        say("  up   " + readable(*message));
        for (Message& reply : server_.hear(*message, time_)) send(down_, std::move(reply));
        return true;
    }
    bool down_one() {
        const auto message = pass_one(down_);
        if (!message) return false;
        say("  down " + readable(*message));
        with_power([&] { device_->message(message->level, message->payload, uptime()); });
        return true;
    }
    void send_all(std::vector<Message> messages) {
        for (Message& message : messages) send(down_, std::move(message));
    }

    // -- what happens
    void one_step() {
        time_ += Uptime{chance_.between(0, 1'500'000)};
        restart_if_wanted();
        if (const auto due = device_->next_due(); due && *due <= uptime()) {
            with_power([&] { device_->tick(uptime()); });
        }
        for (std::size_t i = chance_.any(speed_); i > 0; --i) {
            if (chance_.percent(50) ? !up_one() : !down_one()) break;
        }
        switch (chance_.any(12)) {
            case 0:
            case 1:
                tap();
                break;
            case 2:
            case 3:
            case 4:
                up_one();
                break;
            case 5:
            case 6:
            case 7:
                down_one();
                break;
            case 8:
                if (chance_.percent(40)) jump();
                with_power([&] { device_->tick(uptime()); });
                break;
            case 9:
                finish_command();
                if (chance_.percent(50)) new_command();
                send_all(server_.send_command(time_));
                send_all(server_.ask_for_chunks());
                break;
            default:
                trouble();
                break;
        }
    }

    void tap() {
        const std::string card = "C" + std::to_string(++cards_);
        const bool shown = with_power(
            [&] { device_->record(topics::CardTapped{topics::CardSerial{card}}, uptime()); });
        say("card " + card + (shown ? "" : ", perhaps"));
        // If the power went nobody was shown anything: it may be in the journal or not.
        (shown ? generated_ : perhaps_).push_back(card);
        ++outcome_.facts;
    }

    void jump() {
        if (const auto due = device_->next_due()) time_ = std::max(time_, booted_ + *due);
    }

    void finish_command() {
        if (!running_) return;
        const std::int64_t command = *std::exchange(running_, std::nullopt);
        with_power([&] { device_->command_finished(command, 0, std::nullopt, uptime()); });
    }

    void new_command() {
        switch (chance_.any(3)) {
            case 0:
                server_.make_command(topics::LogsSend{}, time_);
                break;
            case 1:
                server_.make_command(topics::Buzz{}, time_);
                break;
            default:
                server_.make_command(topics::SlotUnlock{topics::Slot{1}}, time_);
                break;
        }
    }

    void trouble() {
        if (chance_.percent(power_cut_ * 3)) boot();
        if (chance_.percent(power_cut_ * 3)) chip_.bytes_left = chance_.any(700);
        if (chance_.percent(5)) {
            with_power([&] { device_->disconnected(uptime()); });
            with_power([&] { connect(); });
        }
        if (chance_.percent(3)) server_.forget_connections();
        if (chance_.percent(3)) server_.begin_new_epoch();
        // The worst moment for a new version is while the last one is on its way.
        const bool on_its_way = documents_->partial(sim::kRightsDocument) != nullptr;
        if (chance_.percent(on_its_way ? 50 : 10)) server_.make_rights();
        if (with_firmware_ && chance_.percent(5)) server_.make_firmware();
    }

    // -- the end
    /// The network is whole, everybody stays, time passes.
    void quiet_down() {
        faults_ = false;
        server_.breaks_chunks = false;
        chip_.bytes_left.reset();
        device_->disconnected(uptime());
        connect();
        for (int step = 0; step < kQuietStepsMax && !at_rest(); ++step) {
            restart_if_wanted();
            finish_command();
            while (up_one() || down_one()) {
            }
            time_ += 100ms;
            if (step % 10 == 0) send_all(server_.ask_for_chunks());
            if (up_.empty() && down_.empty()) jump();
            with_power([&] { device_->tick(uptime()); });
        }
    }

    bool at_rest() {
        return journal_->empty() && !running_ && !restart_ && device_->online() &&
               device_->rights_version() == server_.rights_version && !device_->on_trial() &&
               firmware_is_settled() && !server_.fetching(documents_->offered(sim::kLogsDocument));
    }

    bool firmware_is_settled() const {
        const auto& wanted = server_.firmware_wanted;
        return !wanted || device_->firmware() == *wanted ||
               documents_->state().firmware_refused == *wanted;
    }

    void check_end() {
        if (!journal_->empty()) wrong("the journal did not drain");
        const std::set<std::string> perhaps{perhaps_.begin(), perhaps_.end()};
        std::vector<std::string> shown;
        for (const std::string& card : server_.stored) {
            if (!perhaps.contains(card)) shown.push_back(card);
        }
        if (shown != generated_) wrong("what is stored is not what was shown");
        const std::set<std::string> once{server_.stored.begin(), server_.stored.end()};
        if (once.size() != server_.stored.size()) wrong("a fact is stored twice");
        for (const auto& [command, ends] : server_.done) {
            if (ends.size() > 1) wrong("command " + std::to_string(command) + " ended twice");
            if (ends.front() == 408) ++outcome_.commands_expired;
        }
        for (const std::int64_t command : runs_) {
            if (!server_.done.contains(command)) {
                wrong("command " + std::to_string(command) + " ran and has no end");
            }
        }
        if (device_->rights_version() != server_.rights_version) {
            wrong("the newest rights did not arrive");
        }
        for (const std::string& version : rolled_back_) {
            const int said = server_.firmware_failed[version];
            if (said == 0) wrong("firmware " + version + " failed and nobody was told");
            // An older ack that comes late makes it wanted, and tried, once more.
            if (said > 1 && orderly_) wrong("firmware " + version + " failed twice");
        }
        if (!firmware_is_settled()) wrong("the firmware is neither there nor rolled back");
        if (server_.fetching(documents_->offered(sim::kLogsDocument))) {
            wrong("the log did not arrive");
        }
        if (server_.wrong_fetches > 0) wrong("a log arrived with a wrong hash");
        outcome_.logs_fetched = server_.fetched;
        if (with_firmware_ && device_->firmware() != "1.0") ++outcome_.firmware_proven;
        outcome_.resent += device_->counters().resent;
        outcome_.epochs += device_->counters().epochs;
    }

    const Plant& plant_;
    bool trace_;
    Chance chance_;
    Outcome outcome_;
    int loss_ = 0;
    int repeat_ = 0;
    int power_cut_ = 0;
    std::size_t speed_ = 1;  ///< Messages that pass between two other things, at most.
    bool orderly_ = false;   ///< As MQTT is: one sender's messages stay in order and come once.
    bool with_firmware_ = false;
    std::set<std::string> rolled_back_;
    bool faults_ = true;

    Chip chip_;
    ChipDocuments document_store_{chip_};
    ModelServer server_;
    std::vector<Message> up_;
    std::vector<Message> down_;
    std::unique_ptr<sim::Journal> journal_;
    std::unique_ptr<sim::Documents> documents_;
    std::unique_ptr<sim::DocumentRights> rights_;
    std::unique_ptr<sim::DeviceProtocol> device_;
    Uptime time_{0};  ///< The world's; the device knows only how long it runs.
    Uptime booted_{0};

    int cards_ = 0;
    std::vector<std::string> generated_;
    std::vector<std::string> perhaps_;
    std::optional<std::int64_t> running_;
    std::set<std::int64_t> runs_;
    std::int64_t rights_before_ = 0;
    bool restart_ = false;
};

}  // namespace

Outcome& Outcome::operator+=(const Outcome& other) {
    reboots += other.reboots;
    power_cuts += other.power_cuts;
    resent += other.resent;
    epochs += other.epochs;
    facts += other.facts;
    commands_run += other.commands_run;
    commands_expired += other.commands_expired;
    rights_changed += other.rights_changed;
    downloads_resumed += other.downloads_resumed;
    logs_fetched += other.logs_fetched;
    firmware_proven += other.firmware_proven;
    firmware_rolled_back += other.firmware_rolled_back;
    return *this;
}

Outcome play(std::uint64_t seed, const Plant& plant, bool trace) {
    return Schedule{seed, plant, trace}.run();
}

}  // namespace klyuchnik::test
