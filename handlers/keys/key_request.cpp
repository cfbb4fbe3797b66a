// "May this card take this key now?"
//
//   in      request key.request          counts for 3 s; the cabinet asks again, nothing is
//   remembered decides why_not_grant() in rules.cpp writes  nothing answer  rc 0 and the key's home
//   slot | the refusal's rc, code and a text for the display

#include "handlers/keys/commands.hpp"
#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

void answer_key_requests(std::span<RequestItem> requests, db::Tx& tx) {
    std::vector<CardSerial> cards;
    std::vector<KeyName> names;
    for (const RequestItem& item : requests) {
        const auto& asked = std::get<KeyRequest>(item.request.body);
        cards.push_back(asked.card);
        names.push_back(asked.key);
    }
    const auto judged = db::judge_requests(tx, cards, names);
    for (std::size_t i = 0; i < requests.size(); ++i) {
        RequestAnswer& answer = requests[i].answer;
        if (const auto refusal = why_not_grant(judged[i])) {
            refuse(answer, *refusal);
        } else if (judged[i].cabinet == requests[i].device) {
            answer.slot = judged[i].slot;
        }
    }
}

}  // namespace klyuchnik::handlers::keys
