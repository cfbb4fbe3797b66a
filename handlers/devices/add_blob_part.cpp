// A piece of a large upload arrives.
//
//   in      ask devices.add_blob_part    refusable, expires; again and in any order
//   decides why_not_part() in handlers/runtime/document_rules.cpp
//   writes  runtime.blob_parts, runtime.blobs
//   answer  {missing} | invalid

#include "handlers/devices/commands.hpp"
#include "handlers/runtime/blob_part.hpp"

namespace klyuchnik::handlers::devices {

AskOutcome add_blob_part(const topics::AddBlobPart& ask, Work& work, db::Tx& tx) {
    return handlers::add_blob_part(ask, work.now, tx);
}

}  // namespace klyuchnik::handlers::devices
