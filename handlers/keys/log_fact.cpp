// Doors, power, tamper and the like: history, and a wake for whoever watches.
//
//   in      every other fact of a cabinet
//   event   keys.<kind with _ for .>

#include <algorithm>

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

void log_fact(FactItem& item, Work& work) {
    std::string type = item.fact.kind;
    std::ranges::replace(type, '.', '_');
    work.log(item, "keys", type, "device:" + item.number.device.text());
    item.outcome = db::Outcome::logged;
}

}  // namespace klyuchnik::handlers::keys
