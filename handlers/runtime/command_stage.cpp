#include "handlers/runtime/command_stage.hpp"

#include <algorithm>
#include <set>

#include "handlers/runtime/alarms.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {
constexpr std::string_view kInDoubt = "command_unknown";
constexpr std::string_view kUnknownDone = "unknown_command_done";
constexpr std::string_view kUnknownCommand = "unknown_command";
}  // namespace

void report(const db::CommandRecord& command, const Step& step, const std::string& source,
            Work& work) {
    EventIds ids;
    ids.device = command.device;
    ids.command = command.id;
    ids.why = db::name_of(command.state);
    if (step.doubt) work.alarm(kInDoubt, subject_of(command.id), 2, ids);
    if (step.settled) work.alarm_over(kInDoubt, subject_of(command.id));
    if (step.ended) {
        work.log("devices", "command_done", subject_of(command.device), source).ids =
            std::move(ids);
    }
}

void end_open_commands(db::Tx& tx, const DeviceId& device, const std::string& source, Work& work) {
    std::vector<db::CommandRecord> open = db::open_commands(tx, device);
    for (db::CommandRecord& command : open) {
        report(command, time_over(command, work.now), source, work);
    }
    db::save_commands(tx, open);
}

bool CommandStage::place(const FactItem& item, Work& work) {
    Said said;
    said.number.device = item.number.device;
    said.source = item.source;
    if (const auto* accepted = std::get_if<CommandAccepted>(&item.fact.body)) {
        said.number.number = accepted->command;
    } else if (const auto* done = std::get_if<CommandDone>(&item.fact.body)) {
        said.number.number = done->command;
        said.done = true;
        said.rc = done->rc;
        said.note = done->note;
    } else {
        return false;
    }
    said.event = work.events.size();
    Event& event = work.log(item, "devices", said.done ? "command_done" : "command_accepted",
                            subject_of(item.number.device));
    event.ids.why = kUnknownCommand;
    said_.push_back(std::move(said));
    return true;
}

void CommandStage::born(const DeviceId& device, std::int64_t last, bool fresh, bool forgot) {
    Born& born = born_[device];
    born.last = std::max(born.last, last);
    born.forgot = born.forgot || forgot;
    if (!fresh) return;
    born.fresh = true;
    born.fresh_last = last;
}

void CommandStage::store(db::Tx& tx, Work& work) {
    if (!said_.empty()) apply(tx, work);
    if (!born_.empty()) greet(tx, work);
}

void CommandStage::greet(db::Tx& tx, Work& work) {
    std::vector<db::CommandNumber> seen;
    std::vector<db::Forgotten> lost;
    std::vector<DeviceId> devices;
    for (const auto& [device, born] : born_) {
        devices.push_back(device);
        if (born.last > 0 && born.last <= kCommandNumberMax) seen.push_back({device, born.last});
        lost.push_back(forgotten_after_birth(device, born.fresh ? born.fresh_last : born.last,
                                             born.fresh, born.forgot));
    }
    // First: from here on nobody can queue under a number that a device has seen.
    db::raise_command_numbers(tx, seen);
    std::vector<db::CommandRecord> forgotten = db::forgotten_commands(tx, lost);
    for (db::CommandRecord& command : forgotten) {
        report(command, lose_sight(command, work.now), "birth", work);
        ++ended_[command.state];
    }
    db::save_commands(tx, forgotten);
    db::wake_commands(tx, devices, work.now + kAfterBirth, work.now);
}

void CommandStage::apply(db::Tx& tx, Work& work) {
    std::set<db::CommandNumber> numbers;
    for (const Said& said : said_) numbers.insert(said.number);
    const std::vector<db::CommandNumber> wanted{numbers.begin(), numbers.end()};
    std::map<db::CommandNumber, db::CommandRecord> commands;
    for (db::CommandRecord& command : db::lock_commands(tx, wanted)) {
        const db::CommandNumber number{command.device, command.number};
        commands.emplace(number, std::move(command));
    }
    std::set<CommandId> changed;
    std::set<DeviceId> free;
    for (const Said& said : said_) {
        const auto found = commands.find(said.number);
        Event& event = work.events[said.event];
        if (found == commands.end()) {
            if (!said.done) continue;
            EventIds ids;
            ids.device = said.number.device;
            work.alarm(kUnknownDone, subject_of(said.number.device), 2, std::move(ids));
            continue;
        }
        db::CommandRecord& command = found->second;
        Step step = said.done ? hear_done(command, said.rc, said.note, work.now)
                              : hear_accepted(command, work.now);
        event.ids.command = command.id;
        event.ids.why.reset();
        if (said.done) event.ids.why = db::name_of(command.state);
        if (step.ended) {
            free.insert(command.device);
            ++ended_[command.state];
        }
        // The fact has its event already.
        step.ended = false;
        report(command, step, said.source, work);
        if (step.changed) changed.insert(command.id);
    }
    std::vector<db::CommandRecord> rows;
    for (auto& [number, command] : commands) {
        if (changed.contains(command.id)) rows.push_back(std::move(command));
    }
    db::save_commands(tx, rows);
    const std::vector<DeviceId> next{free.begin(), free.end()};
    db::wake_commands(tx, next, work.now, work.now);
}

void count_ended(const std::map<db::CommandState, std::int64_t>& ended, process::Metrics& metrics) {
    for (const auto& [state, count] : ended) {
        metrics
            .counter("klyuchnik_commands_finished_total", "Commands that came to an end",
                     {{"state", std::string{db::name_of(state)}}})
            .inc(static_cast<double>(count));
    }
}

}  // namespace klyuchnik::handlers
