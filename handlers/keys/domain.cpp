#include "handlers/keys/domain.hpp"

#include "handlers/keys/commands.hpp"
#include "handlers/keys/make_rights_documents.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

namespace {

constexpr std::string_view kName = "keys";
constexpr std::string_view kClass = "kc";

void apply_fact(FactItem& item, KeysRows& rows, Work& work) {
    if (const auto* taken = std::get_if<KeyTaken>(&item.fact.body)) {
        key_taken(item, *taken, rows, work);
    } else if (const auto* returned = std::get_if<KeyReturned>(&item.fact.body)) {
        key_returned(item, *returned, rows, work);
    } else if (const auto* granted = std::get_if<AccessGranted>(&item.fact.body)) {
        access_decided(item, *granted, rows, work);
    } else if (const auto* denied = std::get_if<AccessDenied>(&item.fact.body)) {
        access_decided(item, *denied, rows, work);
    } else {
        log_fact(item, work);
    }
}

AskOutcome apply_ask(const AskItem& item, KeysRows& rows, Work& work, db::Tx& tx) {
    const AskBody& body = item.ask.body;
    if (const auto* ask = std::get_if<IssueKey>(&body)) return issue_key(item, *ask, rows, work);
    if (const auto* ask = std::get_if<ReturnKey>(&body)) return return_key(item, *ask, rows, work);
    if (const auto* ask = std::get_if<AddKey>(&body)) return add_key(item, *ask, rows, work, tx);
    if (const auto* ask = std::get_if<GrantRight>(&body))
        return grant_right(item, *ask, rows, work, tx);
    if (const auto* ask = std::get_if<RevokeRight>(&body))
        return revoke_right(item, *ask, rows, work, tx);
    if (const auto* ask = std::get_if<SetRights>(&body))
        return set_rights(item, *ask, rows, work, tx);
    return Refusal{Code::unknown_ask, ""};
}

class KeysDomain final : public Domain {
 public:
    std::string_view name() const override { return kName; }

    Filters filters(const std::string& share) const override {
        return {{shared_device_filter(share, kName, kClass, Level::facts),
                 shared_device_filter(share, kName, kClass, Level::request),
                 shared_device_filter(share, kName, kClass, Level::chunk_up)},
                {shared_ask_filter(share, kName)}};
    }

    bool owns(const ParsedTopic& topic) const override {
        if (const auto* ask = std::get_if<AskTopic>(&topic)) return ask->domain == kName;
        const auto* device = std::get_if<DeviceTopic>(&topic);
        return device && device->device.cls() == kClass &&
               (device->level == Level::facts || device->level == Level::request ||
                device->level == Level::chunk_up);
    }

    void apply(Work& work, db::Tx& tx) override {
        KeysRows rows{tx, work, work.now};
        for (Item& item : work.items) {
            if (auto* fact = std::get_if<FactItem>(&item)) apply_fact(*fact, rows, work);
            if (auto* ask = std::get_if<AskItem>(&item)) {
                ask->outcome = apply_ask(*ask, rows, work, tx);
            }
        }
        rows.store(tx);
    }

    void answer(std::span<RequestItem> requests, Instant, db::Tx& tx) override {
        answer_key_requests(requests, tx);
    }

    std::vector<TimedTask> timed() override { return {look_at_all_cabinets()}; }
    std::vector<Reaction> reactions() override { return {make_rights_documents()}; }
};

}  // namespace

std::string subject_of(KeyId key) {
    return "key:" + std::to_string(key.value);
}

std::unique_ptr<Domain> make_domain() {
    return std::make_unique<KeysDomain>();
}

}  // namespace klyuchnik::handlers::keys
