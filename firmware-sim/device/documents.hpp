// What a device keeps beside its journal: documents that it pulled or offers, and the little that
// must outlive a reboot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "topics/rights_document.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::sim {

inline constexpr std::string_view kRightsDocument = "rights";
inline constexpr std::string_view kFirmwareDocument = "firmware";
inline constexpr std::string_view kLogsDocument = "logs";

/// Named areas of flash. A device has partitions, the simulator files, a test strings.
class DocumentStore {
 public:
    virtual ~DocumentStore() = default;
    /// Everything written to the area, in order; empty when nothing was.
    virtual std::string read(std::string_view area) = 0;
    /// Appends; after a loss of power any suffix may be missing.
    virtual void append(std::string_view area, std::string_view bytes) = 0;
    /// All bytes at once: after a crash there is either all of the old or all of the new.
    virtual void replace(std::string_view area, std::string_view bytes) = 0;

 protected:
    DocumentStore() = default;
    DocumentStore(const DocumentStore&) = default;
    DocumentStore& operator=(const DocumentStore&) = default;
};

/// DIRECTORY/NAME.AREA, open only while it is read or written, so that a thousand cabinets do not
/// run out of descriptors. Faults of the disk are thrown as std::system_error.
class FileDocumentStore final : public DocumentStore {
 public:
    /// `flush` as in FileStore.
    FileDocumentStore(std::filesystem::path directory, std::string name, bool flush = true);
    std::string read(std::string_view area) override;
    void append(std::string_view area, std::string_view bytes) override;
    void replace(std::string_view area, std::string_view bytes) override;

 private:
    std::filesystem::path path(std::string_view area) const;

    std::filesystem::path directory_;
    std::string name_;
    bool flush_;
};

/// In memory, for a device that may forget everything when its process ends.
class MemoryDocumentStore final : public DocumentStore {
 public:
    std::string read(std::string_view area) override;
    void append(std::string_view area, std::string_view bytes) override;
    void replace(std::string_view area, std::string_view bytes) override;

 private:
    std::map<std::string, std::string, std::less<>> areas_;
};

/// What is known of a document before its bytes.
struct DocumentHead {
    std::int64_t version = 0;
    std::int64_t bytes = 0;
    std::int64_t chunk_bytes = 0;  ///< Of every chunk but the last.
    topics::Sha256 sha256{};
    std::string label;  ///< Of firmware: its version as a text.
    bool operator==(const DocumentHead&) const = default;
};

/// A download under way: the first `content.size()` bytes are there.
struct Partial {
    DocumentHead head;
    std::string content;
    std::int64_t chunks = 0;
};

/// Settings and marks that outlive a reboot.
struct DeviceState {
    bool locked = false;
    std::string time_zone;         ///< POSIX TZ; empty: as built.
    std::int64_t heartbeat_s = 0;  ///< 0: as built.
    std::string firmware;          ///< Runs and has proven itself; empty: as built.
    std::string firmware_tried;    ///< Installed and not proven yet.
    bool firmware_started = false;
    std::int64_t firmware_boot = 0;  ///< The boot that installed it; a later one tried it.
    std::string firmware_refused;    ///< Was rolled back: not tried again until another was wanted.
    /// Of the last ack, for a clock that runs through a loss of power: when it came and for how
    /// long the device may decide alone from then on. 0: nothing known.
    std::int64_t lease_from_utc_s = 0;
    std::int64_t lease_s = 0;
    bool operator==(const DeviceState&) const = default;
};

/// Survives a crash at any byte: a download goes on where it was, the present document stays until
/// the next one is there as a whole and takes its place in one step.
///
/// At most two copies of a document are held: the present one, and what has come of the next. What
/// is damaged counts as not there, and is pulled again. Not thread-safe. Faults of the store pass
/// through.
class Documents {
 public:
    /// Reads everything. `store` must outlive this.
    explicit Documents(DocumentStore& store);

    /// The rights held, or nothing before the first.
    const topics::RightsDocument* rights() const { return rights_ ? &*rights_ : nullptr; }
    std::int64_t rights_version() const { return rights_ ? rights_->version : 0; }

    // -- a download
    const Partial* partial(std::string_view document) const;
    /// Starts one, in the place of any other of the same name.
    void begin(std::string_view document, const DocumentHead& head);
    /// The next chunk of it.
    void add(std::string_view document, std::string_view chunk);
    void drop(std::string_view document);
    /// The download of the rights, which is whole and good, takes the place of the present ones.
    /// `decoded` is what it says.
    void make_rights_current(topics::RightsDocument decoded);

    // -- an offer
    /// Keeps `content` until it is replaced, since nobody says when it was fetched.
    void offer(std::string_view document, std::string_view content);
    /// Nothing when there is none, or it is damaged.
    const std::string* offered(std::string_view document);

    const DeviceState& state() const { return state_; }
    /// On the disk when this returns; writes nothing when nothing changed.
    void keep(const DeviceState& state);

    /// Areas that could not be read whole when this was opened.
    std::int64_t damaged() const { return damaged_; }

 private:
    void read_state();
    void read_rights();
    void read_partial(std::string_view document);

    DocumentStore& store_;
    std::optional<topics::RightsDocument> rights_;
    std::map<std::string, Partial, std::less<>> partials_;
    std::map<std::string, std::string, std::less<>> offered_;
    DeviceState state_;
    std::int64_t damaged_ = 0;
};

}  // namespace klyuchnik::sim
