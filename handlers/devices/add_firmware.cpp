// An image may be offered to devices.
//
//   in      ask devices.add_firmware     refusable, expires; the blob was uploaded before
//   decides is_signed_by() in firmware_rules.cpp, with the keys that the database's owner trusts
//   writes  devices.firmware             a version once and for ever
//   event   devices.firmware_added
//   answer  done | unknown_document (no such blob) | wrong_signature | taken

#include <algorithm>

#include "db/access/firmware_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/firmware_rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome add_firmware(const AskItem& item, const AddFirmware& ask, Work& work, db::Tx& tx) {
    const auto signature = hex_of_base64(ask.signature);
    if (!signature) return Refusal{Code::wrong_signature, "signature: expected base64"};
    if (!db::blob_is_whole(tx, ask.sha256)) return Refusal{Code::unknown_document, ask.sha256};
    const auto signers = db::firmware_signers(tx);
    const auto signer = std::ranges::find_if(signers, [&](const db::FirmwareSigner& one) {
        return is_signed_by(one.public_key, ask.sha256, *signature);
    });
    if (signer == signers.end()) {
        return Refusal{Code::wrong_signature,
                       signers.empty() ? "no signing key is trusted yet" : ""};
    }
    const db::NewFirmware firmware{ask.version,  ask.sha256, *signature,
                                   signer->name, ask.notes,  item.ask.by.account};
    if (!db::add_firmware(tx, firmware, work.now)) return Refusal{Code::taken, ask.version};
    work.log(item, "devices", "firmware_added", "firmware:" + ask.version);
    return AskResult{};
}

}  // namespace klyuchnik::handlers::devices
