// Somebody signs out. Whoever can name the token's hash holds the token.
//
//   in      ask accounts.close_session   closed already is done, not refused
//   writes  accounts.sessions
//   answer  {}

#include "db/access/accounts_store.hpp"
#include "handlers/accounts/commands.hpp"

namespace klyuchnik::handlers::accounts {

AskOutcome close_session(const topics::CloseSession& ask, db::Tx& tx) {
    db::close_session(tx, ask.token_sha256);
    return topics::AskResult{};
}

}  // namespace klyuchnik::handlers::accounts
