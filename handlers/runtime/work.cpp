#include "handlers/runtime/work.hpp"

#include <algorithm>

namespace klyuchnik::handlers {

using namespace topics;

namespace {

Event& add(std::vector<Event>& events, std::string_view domain, std::string_view type,
           std::string subject, std::string actor, std::string source, Instant occurred) {
    Event event;
    event.domain = domain;
    event.type = type;
    event.subject = std::move(subject);
    event.actor = std::move(actor);
    event.source = std::move(source);
    event.occurred = occurred;
    return events.emplace_back(std::move(event));
}

}  // namespace

Event& Work::log(const FactItem& fact, std::string_view domain, std::string_view type,
                 std::string subject) {
    Event& event = add(events, domain, type, std::move(subject),
                       "device:" + fact.number.device.text(), fact.source, fact.occurred);
    event.ids.device = fact.number.device;
    return event;
}

Event& Work::log(const AskItem& ask, std::string_view domain, std::string_view type,
                 std::string subject) {
    const bool is_device = ask.role == "device";
    return add(events, domain, type, std::move(subject),
               (is_device ? "device:" : "") + ask.ask.by.account, ask.source, now);
}

Event& Work::log(const DeviceId& device, std::string_view type, std::string source) {
    const std::string subject = "device:" + device.text();
    Event& event = add(events, "devices", type, subject, subject, std::move(source), now);
    event.ids.device = device;
    return event;
}

Event& Work::log(std::string_view domain, std::string_view type, std::string subject,
                 std::string source) {
    return add(events, domain, type, std::move(subject), "handlers", std::move(source), now);
}

void Work::alarm(std::string_view kind, std::string subject, int severity, EventIds ids) {
    const db::AlarmName name{std::string{kind}, std::move(subject)};
    std::erase(over, name);
    const auto raised = std::ranges::find(alarms, name, &db::NewAlarm::name);
    if (raised == alarms.end()) {
        alarms.push_back({name, severity, 1, std::move(ids)});
        return;
    }
    ++raised->count;
    raised->severity = std::max(raised->severity, severity);
    raised->ids = std::move(ids);
}

void Work::alarm_over(std::string_view kind, std::string subject) {
    db::AlarmName name{std::string{kind}, std::move(subject)};
    std::erase_if(alarms, [&](const db::NewAlarm& raised) { return raised.name == name; });
    if (std::ranges::find(over, name) == over.end()) over.push_back(std::move(name));
}

void Domain::answer(std::span<RequestItem> requests, Instant, db::Tx&) {
    for (RequestItem& item : requests) refuse(item.answer, {Code::not_served, ""});
}

bool may_ask(std::string_view role, const AskBody& body, const Caller& by) {
    if (const auto* rotate = std::get_if<RotateCredential>(&body); rotate && role == "device") {
        return rotate->device.text() == by.account;
    }
    // An old cabinet, by its own credential or from a trusted network, gives keys out and takes
    // them back.
    if (role == "device" || role == "trusted-network") {
        const bool cabinet = role == "trusted-network" || by.account.starts_with("kc-");
        return cabinet && by.via == Via::legacy &&
               (std::holds_alternative<IssueKey>(body) || std::holds_alternative<ReturnKey>(body));
    }
    // Nothing but a code: good for one thing. And nobody else shows codes or replaces credentials.
    if (role == "claim") return std::holds_alternative<ClaimDevice>(body);
    if (std::holds_alternative<ClaimDevice>(body)) return false;
    if (std::holds_alternative<RotateCredential>(body)) return false;
    // Whoever signed in may open and close sessions of their own.
    if (const auto* open = std::get_if<OpenSession>(&body)) {
        return by.account == "account:" + std::to_string(open->account.value);
    }
    if (std::holds_alternative<CloseSession>(body)) return !role.empty();
    return role == "admin";
}

std::string source_of(const db::FactNumber& number) {
    return number.device.text() + ":" + std::to_string(number.epoch.value) + ":" +
           std::to_string(number.sequence.value);
}

std::string source_of(const DeviceId& device, Connection cn) {
    return device.text() + ":cn:" + std::to_string(cn.value);
}

void refuse(RequestAnswer& answer, const Refusal& refusal) {
    const CodeInfo& row = info(refusal.code);
    answer.rc = row.rc;
    answer.code = std::string{row.name};
    answer.text = std::string{row.text};
}

}  // namespace klyuchnik::handlers
