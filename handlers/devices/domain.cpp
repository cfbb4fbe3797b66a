#include "handlers/devices/domain.hpp"

#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {

constexpr std::string_view kName = "devices";

class DevicesDomain final : public Domain {
 public:
    std::string_view name() const override { return kName; }

    Filters filters(const std::string& share) const override {
        // `st` is subscribed plainly: retained messages do not reach share groups. Every handler
        // sees every birth then, and the cursor's lock decides who answers.
        return {{shared_device_filter(share, kName, "kc", Level::telemetry),
                 shared_device_filter(share, kName, "sg", Level::telemetry)},
                {all_states_filter(), shared_ask_filter(share, kName)}};
    }

    bool owns(const ParsedTopic& topic) const override {
        if (const auto* ask = std::get_if<AskTopic>(&topic)) return ask->domain == kName;
        const auto* device = std::get_if<DeviceTopic>(&topic);
        return device && (device->level == Level::state || device->level == Level::telemetry);
    }

    void apply(Work& work, db::Tx& tx) override {
        std::vector<const StateItem*> states;
        for (Item& item : work.items) {
            if (const auto* state = std::get_if<StateItem>(&item)) states.push_back(state);
            if (auto* asked = std::get_if<AskItem>(&item)) {
                const auto* add = std::get_if<AddDevice>(&asked->ask.body);
                if (add) {
                    asked->outcome = add_device(*asked, *add, work, tx);
                } else {
                    asked->outcome = Refusal{Code::unknown_ask, ""};
                }
            }
        }
        mark_presence(states, work, tx);
    }
};

}  // namespace

std::unique_ptr<Domain> make_domain() {
    return std::make_unique<DevicesDomain>();
}

}  // namespace klyuchnik::handlers::devices
