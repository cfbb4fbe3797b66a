#include "db/access/commands_store.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "db/access/internal.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::db {
namespace {

constexpr std::string_view kStates[] = {"queued", "sent",    "accepted", "done",
                                        "failed", "expired", "unknown"};

CommandState state_of(const pqxx::field& field) {
    const auto found = std::ranges::find(kStates, view_of(field));
    if (found == std::end(kStates)) {
        throw Fault{"a stored command state is not one", Fault::Retry::never};
    }
    return static_cast<CommandState>(found - std::begin(kStates));
}

DeviceId device_of(const pqxx::field& field) {
    const auto device = DeviceId::parse(view_of(field));
    if (!device) throw Fault{"a stored device id is not one", Fault::Retry::never};
    return *device;
}

std::vector<CommandRecord> commands_of(const pqxx::result& rows) {
    std::vector<CommandRecord> commands;
    commands.reserve(rows.size());
    for (const auto& row : rows) {
        CommandRecord command;
        command.id.value = row[0].as<std::int64_t>();
        command.device = device_of(row[1]);
        command.number = row[2].as<std::int64_t>();
        command.kind = row[3].as<std::string>();
        command.content = row[4].as<std::string>();
        command.state = state_of(row[5]);
        command.made = instant_of(row[6]);
        command.expires = instant_of(row[7]);
        command.sent = optional_instant_of(row[8]);
        command.sendings = row[9].as<std::int64_t>();
        command.send_after = instant_of(row[10]);
        command.overdue = instant_of(row[11]);
        command.accepted = optional_instant_of(row[12]);
        command.finished = optional_instant_of(row[13]);
        if (!row[14].is_null()) command.rc = row[14].as<std::int64_t>();
        command.note = optional_text(row[15]);
        commands.push_back(std::move(command));
    }
    return commands;
}

/// Sees everything that is due, however long it has been.
constexpr Instant kEver = topics::from_unix_seconds(0);

}  // namespace

std::string_view name_of(CommandState state) {
    return kStates[static_cast<std::size_t>(state)];
}

bool is_open(CommandState state) {
    return state == CommandState::queued || state == CommandState::sent ||
           state == CommandState::accepted;
}

std::vector<std::optional<CommandId>> queue_commands(Tx& tx, std::span<const NewCommand> commands,
                                                     Instant now) {
    std::vector<std::optional<CommandId>> ids(commands.size());
    if (commands.empty()) return ids;
    std::set<DeviceId> distinct;
    for (const NewCommand& command : commands) distinct.insert(command.device);
    const std::string devices = array_of(distinct);

    std::map<DeviceId, std::int64_t> last;
    for (const auto& row : run(tx, sql::runtime_lock_command_numbers, devices)) {
        last[device_of(row[0])] = row[1].as<std::int64_t>();
    }
    // A statement of its own after the lock, so that it sees what the one before us has queued.
    std::map<DeviceId, std::int64_t> open;
    for (const auto& row : run(tx, sql::runtime_count_open_of_devices, devices)) {
        open[device_of(row[0])] = row[1].as<std::int64_t>();
    }
    std::map<CommandNumber, std::size_t> place;
    std::vector<std::pair<const NewCommand*, std::int64_t>> admitted;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        const NewCommand& command = commands[i];
        if (open[command.device] >= topics::limits::kOpenCommandsMax) continue;
        ++open[command.device];
        const std::int64_t number = ++last[command.device];
        place[{command.device, number}] = i;
        admitted.emplace_back(&command, number);
    }
    if (admitted.empty()) return ids;
    const auto of = [&](auto get) {
        return column(admitted, [&](const auto& one) { return get(*one.first); });
    };
    const auto added =
        run(tx, sql::runtime_add_commands, of([](const NewCommand& c) { return c.device; }),
            column(admitted, [](const auto& one) { return one.second; }),
            of([](const NewCommand& c) { return topics::kind_of(c.body); }),
            of([](const NewCommand& c) { return topics::encode_command_body(c.body); }), now,
            of([](const NewCommand& c) { return std::string_view{c.made_by}; }),
            of([](const NewCommand& c) { return c.expires; }));
    for (const auto& row : added) {
        ids[place.at({device_of(row[1]), row[2].as<std::int64_t>()})] =
            CommandId{row[0].as<std::int64_t>()};
    }
    run(tx, sql::runtime_save_command_numbers,
        column(last, [](const auto& one) { return one.first; }),
        column(last, [](const auto& one) { return one.second; }));
    return ids;
}

std::optional<bool> device_active(Tx& tx, const DeviceId& device) {
    const auto rows = run(tx, sql::devices_is_active, device);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].as<bool>();
}

std::vector<CommandRecord> lock_commands(Tx& tx, std::span<const CommandNumber> numbers) {
    if (numbers.empty()) return {};
    return commands_of(run(tx, sql::runtime_lock_commands,
                           column(numbers, [](const CommandNumber& n) { return n.device; }),
                           column(numbers, [](const CommandNumber& n) { return n.number; })));
}

std::vector<CommandRecord> forgotten_commands(Tx& tx, std::span<const Forgotten> devices) {
    if (devices.empty()) return {};
    return commands_of(run(tx, sql::runtime_forgotten_commands,
                           column(devices, [](const Forgotten& d) { return d.device; }),
                           column(devices, [](const Forgotten& d) { return d.queued_until; }),
                           column(devices, [](const Forgotten& d) { return d.accepted_above; }),
                           column(devices, [](const Forgotten& d) { return d.sent_above; })));
}

std::vector<CommandRecord> open_commands(Tx& tx, const DeviceId& device) {
    return commands_of(run(tx, sql::runtime_open_commands, device));
}

void save_commands(Tx& tx, std::span<const CommandRecord> commands) {
    if (commands.empty()) return;
    using Row = CommandRecord;
    run(tx, sql::runtime_save_commands, column(commands, [](const Row& c) { return c.id; }),
        column(commands, [](const Row& c) { return name_of(c.state); }),
        column(commands, [](const Row& c) { return c.sent; }),
        column(commands, [](const Row& c) { return c.sendings; }),
        column(commands, [](const Row& c) { return c.send_after; }),
        column(commands, [](const Row& c) { return c.overdue; }),
        column(commands, [](const Row& c) { return c.accepted; }),
        column(commands, [](const Row& c) { return c.finished; }),
        column(commands, [](const Row& c) { return c.rc; }),
        column(commands, [](const Row& c) { return c.note; }));
}

void wake_commands(Tx& tx, std::span<const DeviceId> devices, Instant after, Instant now) {
    if (devices.empty()) return;
    run(tx, sql::runtime_wake_commands, array_of(devices), after, now);
}

void raise_command_numbers(Tx& tx, std::span<const CommandNumber> seen) {
    if (seen.empty()) return;
    std::map<DeviceId, std::int64_t> behind;
    for (const auto& row : run(tx, sql::runtime_command_numbers_behind,
                               column(seen, [](const CommandNumber& n) { return n.device; }),
                               column(seen, [](const CommandNumber& n) { return n.number; }))) {
        std::int64_t& number = behind[device_of(row[0])];
        number = std::max(number, row[1].as<std::int64_t>());
    }
    if (behind.empty()) return;
    std::vector<DeviceId> devices;
    for (const auto& [device, number] : behind) devices.push_back(device);
    for (const auto& row : run(tx, sql::runtime_lock_command_numbers, array_of(devices))) {
        std::int64_t& number = behind[device_of(row[0])];
        number = std::max(number, row[1].as<std::int64_t>());
    }
    run(tx, sql::runtime_save_command_numbers,
        column(behind, [](const auto& one) { return one.first; }),
        column(behind, [](const auto& one) { return one.second; }));
}

std::vector<CommandRecord> overdue_commands(Tx& tx, Instant now, std::int64_t rows_max) {
    return commands_of(run(tx, sql::devices_overdue_commands, now, rows_max));
}

std::vector<CommandRecord> due_commands(Tx& tx, Instant now, std::int64_t rows_max) {
    return commands_of(run(tx, sql::devices_due_commands, now, rows_max));
}

std::vector<CommandTarget> command_targets(Tx& tx, std::span<const DeviceId> devices, Instant now) {
    if (devices.empty()) return {};
    std::vector<CommandTarget> targets;
    for (const auto& row : run(tx, sql::devices_command_targets, array_of(devices), now)) {
        targets.push_back({device_of(row[0]), topics::Connection{row[1].as<std::int64_t>()},
                           row[2].as<std::int64_t>(), row[3].as<std::int64_t>()});
    }
    return targets;
}

std::optional<Instant> next_command_due(Tx& tx) {
    return optional_instant_of(run(tx, sql::devices_next_command_due, kEver)[0][0]);
}

std::int64_t count_open_commands(Tx& tx) {
    return run(tx, sql::devices_count_open_commands, kEver)[0][0].as<std::int64_t>();
}

std::size_t forget_commands(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_commands, before, rows_max).affected_rows();
}

}  // namespace klyuchnik::db
