// How a device gets its credential, and another one.
//
//   POST /v1/claim    its code for a credential: nothing but the code proves who asks, so the
//   answer
//                     and the work are the same for every kind of no, and guessing is slowed
//   POST /v1/rotate   its present secret for another credential
//
// A secret is made from the proof and the nonce that the device drew, and a repeat makes the same:
// a device whose answer was lost asks again with the same nonce. A certificate is made anew then
// and takes the place of the lost one.
#include "bridge/rest/api.hpp"
#include "bridge/rest/attempts.hpp"
#include "bridge/rest/claim_codes.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/places.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "process/log.hpp"

namespace klyuchnik::bridge {
namespace {

/// Claims and rotations that wait for a handler at once; the next is told 429. Strangers may claim,
/// and must leave room for the writes of those who are signed in.
constexpr std::size_t kClaimsAtOnceMax = 8;
constexpr const char* kClaimAccount = "claim";

struct Credential {
    CredentialView view;
    std::optional<std::string> secret_sha256;
    std::optional<std::string> certificate_sha256;
    std::optional<std::int64_t> ends_s;
};

class Claims {
 public:
    explicit Claims(Api& api)
        : api_{api},
          guessing_{api.clock},
          wrong_{kWrongClaimsPerSecondMax, api.clock},
          places_{kClaimsAtOnceMax},
          refused_{api.metrics.counter("klyuchnik_bridge_claims_refused_total",
                                       "Claim codes that were wrong, used or over")},
          slowed_{api.metrics.counter("klyuchnik_bridge_claims_slowed_total",
                                      "Claims that had to wait")} {}

    /// POST /v1/claim {device,code,nonce,csr?}
    Response claim(const Request& request) {
        require_private_line(request);
        const ClaimBody body = claim_body(request);
        const Places::Place place = take_place();
        const std::string address = group_of(request);
        if (const auto wait = guessing_.begin(body.device.text(), address); wait.count() > 0) {
            slowed_.inc();
            process::log::warn_every("slowed claims " + address, std::chrono::seconds{10},
                                     "claims of {} from {} are slowed", body.device.text(),
                                     request.address);
            throw too_many_attempts(wait);
        }
        if (!wrong_.begin()) {
            guessing_.withdraw(body.device.text(), address);
            slowed_.inc();
            process::log::warn_every("slowed all claims", std::chrono::seconds{10},
                                     "more than {} wrong claims in a second: all are slowed",
                                     kWrongClaimsPerSecondMax);
            throw too_many_attempts(std::chrono::seconds{1});
        }
        try {
            const std::string code = plain_claim_code(body.code);
            const Credential made = make(code, body.device, body.nonce,
                                         body.request_pem ? &*body.request_pem : nullptr);
            topics::ClaimDevice ask;
            ask.device = body.device;
            ask.claim_sha256 = sha256_hex(code);
            ask.nonce_sha256 = sha256_hex(body.nonce);
            ask.secret_sha256 = made.secret_sha256;
            ask.certificate_sha256 = made.certificate_sha256;
            ask.ends_s = made.ends_s;
            // The nonce is what makes a repeat safe here, so each request is an ask of its own.
            content_of(
                api_.asks.ask({kClaimAccount, topics::Via::key}, random_hex(16), std::move(ask)));
            guessing_.succeeded(body.device.text(), address);
            wrong_.withdraw();
            return Response::json(201, to_json(made.view));
        } catch (const Problem& problem) {
            if (problem.code == topics::info(topics::Code::claim_refused).name) {
                refused_.inc();
            } else {
                guessing_.withdraw(body.device.text(), address);
                wrong_.withdraw();
            }
            throw;
        } catch (...) {
            guessing_.withdraw(body.device.text(), address);
            wrong_.withdraw();
            throw;
        }
    }

    /// POST /v1/rotate {nonce,csr?,overlap_seconds?}, by HTTP Basic with the present secret.
    Response rotate(const Request& request) {
        require_private_line(request);
        const DeviceCaller caller = api_.auth.require_device(request);
        const RotateBody body = rotate_body(request);
        const Places::Place place = take_place();
        const Credential made = make(caller.secret, caller.device, body.nonce,
                                     body.request_pem ? &*body.request_pem : nullptr);
        topics::RotateCredential ask;
        ask.device = caller.device;
        // The handlers look at it once more: it may die between our look and theirs.
        ask.shown_sha256 = sha256_hex(caller.secret);
        ask.nonce_sha256 = sha256_hex(body.nonce);
        ask.secret_sha256 = made.secret_sha256;
        ask.certificate_sha256 = made.certificate_sha256;
        ask.ends_s = made.ends_s;
        ask.overlap_seconds = body.overlap_seconds;
        content_of(api_.asks.ask(caller.by, random_hex(16), std::move(ask)));
        return Response::json(200, to_json(made.view));
    }

 private:
    Places::Place take_place() {
        Places::Place place = places_.take();
        if (!place) throw too_many_attempts(std::chrono::seconds{1});
        return place;
    }

    Credential make(const std::string& proof, const topics::DeviceId& device,
                    const std::string& nonce, const std::string* request_pem) const {
        Credential made;
        made.view.device = device.text();
        if (request_pem == nullptr) {
            made.view.mqtt = api_.settings.mqtt;
            made.view.secret = make_device_secret(proof, device.text(), nonce);
            made.secret_sha256 = sha256_hex(made.view.secret);
            return made;
        }
        if (!api_.settings.certificates) {
            throw problem_of(topics::Code::not_served, "No certificates are given out here");
        }
        auto issued = api_.settings.certificates->issue(device, *request_pem, api_.clock.now());
        if (const auto* refusal = std::get_if<topics::Refusal>(&issued)) {
            throw problem_of(refusal->code, refusal->detail);
        }
        auto& certificate = std::get<DeviceCertificates::Issued>(issued);
        made.view.certificate_pem = std::move(certificate.pem);
        made.view.ca_pem = api_.settings.certificates->authority_pem();
        made.view.ends = certificate.ends;
        made.view.mqtt = api_.settings.mqtt_for_certificates;
        made.certificate_sha256 = std::move(certificate.sha256);
        made.ends_s = topics::unix_seconds(certificate.ends);
        return made;
    }

    Api& api_;
    Guessing guessing_;
    PerSecond wrong_;
    Places places_;
    process::Counter& refused_;
    process::Counter& slowed_;
};

}  // namespace

void add_claim_routes(Routes& routes, Api& api) {
    const auto claims = std::make_shared<Claims>(api);
    routes.add("POST", "/v1/claim", writing({201}),
               [claims](const Request& request) { return claims->claim(request); });
    routes.add("POST", "/v1/rotate", writing({200}),
               [claims](const Request& request) { return claims->rotate(request); });
}

}  // namespace klyuchnik::bridge
