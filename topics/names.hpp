#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "topics/ids.hpp"

/// The only place where topics are built and taken apart.
namespace klyuchnik::topics {

/// The levels under a device.
enum class Level : unsigned char {
    facts,       ///< up/ev
    request,     ///< up/rq
    telemetry,   ///< up/tm
    chunk_up,    ///< up/ch
    state,       ///< st
    ack,         ///< dn/ak
    answer,      ///< dn/re
    command,     ///< dn/cm
    chunk_down,  ///< dn/ch
};

std::string device_topic(const DeviceId& device, Level level);
/// What a device subscribes, once: `kl/v1/{cls}/{id}/dn/+`.
std::string device_filter(const DeviceId& device);
std::string ask_topic(std::string_view domain, std::string_view name, std::string_view client);
std::string ask_answer_topic(std::string_view client);
std::string event_topic(std::string_view domain, std::string_view type);
std::string presence_topic(std::string_view program, std::string_view instance);

/// Filters of our own programs. `share` is the secret part of the group's name: whoever knows it
/// can take messages away from the handlers, so it is generated per deployment and the broker's
/// guard refuses
/// `$share` to everybody else.
std::string shared_device_filter(std::string_view share, std::string_view loop,
                                 std::string_view cls, Level level);
std::string shared_ask_filter(std::string_view share, std::string_view domain);
std::string all_states_filter();
std::string all_events_filter();

struct DeviceTopic {
    DeviceId device;
    Level level;
};
struct AskTopic {
    std::string domain;
    std::string name;
    std::string client;
};
struct AskAnswerTopic {
    std::string client;
};
struct EventTopic {
    std::string domain;
    std::string type;
};
/// What the broker's guard says: "kl/v1/sys/guard/<instance>".
struct GuardTopic {
    std::string instance;
};
/// A topic that is none of ours, or names a device that can not exist.
struct ForeignTopic {};

using ParsedTopic =
    std::variant<DeviceTopic, AskTopic, AskAnswerTopic, EventTopic, GuardTopic, ForeignTopic>;
ParsedTopic parse_topic(std::string_view topic);

/// A client name of ours: `^[a-z]+-[a-z0-9-]{1,32}$`.
bool is_client_name(std::string_view text);

}  // namespace klyuchnik::topics
