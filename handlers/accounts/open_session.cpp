// Somebody whose password the bridge has checked is signed in.
//
//   in      ask accounts.open_session    only for the asking account itself
//   writes  accounts.sessions            the hash of the token; the token never leaves the bridge
//   event   accounts.signed_in
//   answer  {account}

#include "db/access/accounts_store.hpp"
#include "handlers/accounts/commands.hpp"

namespace klyuchnik::handlers::accounts {

using namespace topics;

AskOutcome open_session(const AskItem& item, const OpenSession& ask, Work& work, db::Tx& tx) {
    db::open_session(tx, ask.token_sha256, ask.account, work.now,
                     work.now + std::chrono::seconds{ask.seconds});
    Event& event =
        work.log(item, "accounts", "signed_in", "account:" + std::to_string(ask.account.value));
    event.ids.account = ask.account;
    AskResult result;
    result.account = ask.account;
    return result;
}

}  // namespace klyuchnik::handlers::accounts
