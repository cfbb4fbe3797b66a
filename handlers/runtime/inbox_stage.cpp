#include "handlers/runtime/inbox_stage.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "handlers/runtime/letters.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

constexpr std::string_view kAccountPrefix = "account:";
constexpr std::string_view kTrustedNetwork = "trusted-network";
constexpr std::string_view kClaim = "claim";

db::AskKey key_of(const Ask& ask) {
    return {ask.by.account, ask.id};
}

std::string source_of(const Ask& ask) {
    return "ask:" + ask.by.account + ":" + ask.id;
}

Outgoing to(const AskTopic& topic, std::string payload) {
    return {ask_answer_topic(topic.client), std::move(payload)};
}

Outgoing reused(const Ask& ask, const AskTopic& topic) {
    return to(topic, ask_answer(ask.id, Refusal{Code::reused_id, ""}));
}

/// Who asks, by the two tables in which they may be found.
struct Callers {
    std::set<std::int64_t> accounts;
    std::set<std::string> devices;

    void add(const std::string& account) {
        if (account.starts_with(kAccountPrefix)) {
            std::int64_t number = 0;
            const char* const end = account.data() + account.size();
            const auto [at, error] =
                std::from_chars(account.data() + kAccountPrefix.size(), end, number);
            if (error == std::errc{} && at == end) accounts.insert(number);
        } else if (DeviceId::parse(account)) {
            devices.insert(account);
        }
    }
    std::map<std::string, std::string> roles(db::Tx& tx) const {
        const std::vector<std::int64_t> account_list{accounts.begin(), accounts.end()};
        const std::vector<std::string> device_list{devices.begin(), devices.end()};
        std::map<std::string, std::string> found;
        for (const db::CallerRole& caller : db::find_callers(tx, account_list, device_list)) {
            found[caller.account] = caller.role;
        }
        return found;
    }
};

}  // namespace

std::string role_of(db::Tx& tx, const Caller& by) {
    if (by.account == kTrustedNetwork || by.account == kClaim) return by.account;
    Callers callers;
    callers.add(by.account);
    const auto roles = callers.roles(tx);
    const auto found = roles.find(by.account);
    return found == roles.end() ? std::string{} : found->second;
}

InboxStage::InboxStage(db::Tx& tx, std::span<const Message> messages, Instant now) : now_{now} {
    std::set<db::AskKey> keys;
    Callers callers;
    for (const Message& message : messages) {
        const auto* asked = std::get_if<AskMessage>(&message.body);
        if (!asked) continue;
        keys.insert(key_of(asked->ask));
        callers.add(asked->ask.by.account);
    }
    const std::vector<db::AskKey> wanted{keys.begin(), keys.end()};
    for (db::KeptAnswer& kept : db::find_answers(tx, wanted)) kept_[kept.key] = kept;
    roles_ = callers.roles(tx);
}

std::string InboxStage::role_of(const Caller& by) const {
    if (by.account == kTrustedNetwork || by.account == kClaim) return by.account;
    const auto found = roles_.find(by.account);
    return found == roles_.end() ? std::string{} : found->second;
}

void InboxStage::place(const Message& message, const std::string* set_aside, Work& work,
                       std::vector<Outgoing>& out) {
    const auto& [topic, ask] = std::get<AskMessage>(message.body);
    const db::AskKey key = key_of(ask);
    const auto earlier = kept_.find(key);
    const bool in_time = now_ < from_unix_seconds(ask.expires_s);
    if (earlier != kept_.end() && !(earlier->second.expired && in_time)) {
        ++counts_.repeated;
        out.push_back(earlier->second.digest == ask.digest ? to(topic, earlier->second.answer)
                                                           : reused(ask, topic));
        return;
    }
    if (const auto twin = placed_.find(key); twin != placed_.end()) {
        ++counts_.repeated;
        if (twin->second != ask.digest) {
            out.push_back(reused(ask, topic));
        } else {
            twins_.push_back({key, ask.digest, topic});
        }
        return;
    }
    placed_[key] = ask.digest;
    if (set_aside) {
        letters_.push_back(
            {"", source_of(ask), topic.domain + "." + topic.name, encode(ask), *set_aside});
        raise_dead_letter(work, topic.domain, source_of(ask));
        keep(ask, topic, Refusal{Code::set_aside, ""}, out);
        return;
    }
    if (!in_time) {
        keep(ask, topic, Refusal{Code::expired, ""}, out);
        return;
    }
    if (std::holds_alternative<UnknownAsk>(ask.body)) {
        keep(ask, topic, Refusal{Code::unknown_ask, topic.domain + "." + topic.name}, out);
        return;
    }
    std::string role = role_of(ask.by);
    if (role.empty()) {
        keep(ask, topic, Refusal{Code::unknown_account, ""}, out);
        return;
    }
    if (!may_ask(role, ask.body, ask.by)) {
        keep(ask, topic, Refusal{Code::forbidden, topic.domain + "." + topic.name}, out);
        return;
    }
    AskItem item{ask, topic, std::move(role), source_of(ask), Refusal{Code::not_served, ""}};
    work.items.push_back(std::move(item));
}

void InboxStage::keep(const Ask& ask, const AskTopic& topic,
                      const std::variant<AskResult, Refusal>& outcome, std::vector<Outgoing>& out) {
    ++(std::holds_alternative<Refusal>(outcome) ? counts_.refused : counts_.answered);
    std::string answer = ask_answer(ask.id, outcome);
    out.push_back(to(topic, answer));
    const auto* refusal = std::get_if<Refusal>(&outcome);
    const bool expired = refusal && refusal->code == Code::expired;
    // What was set aside is kept: it may yet be applied, and answered then.
    const bool forgettable =
        refusal && ask.by.account == kClaim && refusal->code != Code::set_aside;
    (forgettable ? unkept_ : answers_)
        .push_back({key_of(ask), ask.digest, std::move(answer), expired});
}

void InboxStage::store(db::Tx& tx, const Work& work, std::string_view domain,
                       std::vector<Outgoing>& out) {
    for (const Item& item : work.items) {
        if (const auto* asked = std::get_if<AskItem>(&item)) {
            keep(asked->ask, asked->topic, asked->outcome, out);
        }
    }
    for (const Twin& twin : twins_) {
        for (const auto* given : {&answers_, &unkept_}) {
            const auto first = std::ranges::find(*given, twin.key, &db::KeptAnswer::key);
            if (first != given->end()) out.push_back(to(twin.topic, first->answer));
        }
    }
    for (db::DeadLetter& letter : letters_) letter.domain = domain;
    db::keep_answers(tx, answers_, now_);
    db::add_dead_letters(tx, letters_, now_);
}

}  // namespace klyuchnik::handlers
