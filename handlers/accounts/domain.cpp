#include "handlers/accounts/domain.hpp"

#include "handlers/accounts/commands.hpp"

namespace klyuchnik::handlers::accounts {

using namespace topics;

namespace {

constexpr std::string_view kName = "accounts";

AskOutcome apply_ask(const AskItem& item, Work& work, db::Tx& tx) {
    const AskBody& body = item.ask.body;
    if (const auto* ask = std::get_if<AddPerson>(&body)) return add_person(item, *ask, work, tx);
    if (const auto* ask = std::get_if<DeactivatePerson>(&body)) {
        return deactivate_person(item, *ask, work, tx);
    }
    if (const auto* ask = std::get_if<OpenSession>(&body))
        return open_session(item, *ask, work, tx);
    if (const auto* ask = std::get_if<CloseSession>(&body)) return close_session(*ask, tx);
    return Refusal{Code::unknown_ask, ""};
}

class AccountsDomain final : public Domain {
 public:
    std::string_view name() const override { return kName; }

    Filters filters(const std::string& share) const override {
        return {{}, {shared_ask_filter(share, kName)}};
    }

    bool owns(const ParsedTopic& topic) const override {
        const auto* ask = std::get_if<AskTopic>(&topic);
        return ask && ask->domain == kName;
    }

    void apply(Work& work, db::Tx& tx) override {
        for (Item& item : work.items) {
            if (auto* ask = std::get_if<AskItem>(&item)) ask->outcome = apply_ask(*ask, work, tx);
        }
    }
};

}  // namespace

std::unique_ptr<Domain> make_domain() {
    return std::make_unique<AccountsDomain>();
}

}  // namespace klyuchnik::handlers::accounts
