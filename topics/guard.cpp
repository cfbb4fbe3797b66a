#include "topics/guard.hpp"

namespace klyuchnik::topics {

std::string guard_control_topic() {
    return "$CONTROL/klyuchnik-guard/v1";
}
std::string guard_reports_filter() {
    return "kl/v1/sys/guard/+";
}

std::string guard_set_line(const DeviceId& device, const std::vector<GuardCredential>& known) {
    std::string line = "set " + device.text();
    for (const GuardCredential& one : known) {
        line += one.kind == GuardCredential::Kind::secret ? " s:" : " c:";
        line += one.sha256;
    }
    return line + "\n";
}
std::string guard_drop_line(const DeviceId& device) {
    return "drop " + device.text() + "\n";
}
std::string guard_kick_line(const DeviceId& device) {
    return "kick " + device.text() + "\n";
}
std::string guard_begin_line(std::string_view token) {
    return "begin " + std::string{token} + "\n";
}
std::string guard_end_line(std::string_view token) {
    return "end " + std::string{token} + "\n";
}
std::string guard_tell_line(std::string_view token) {
    return "tell " + std::string{token} + "\n";
}

}  // namespace klyuchnik::topics
