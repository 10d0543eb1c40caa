/* L5: WhatsApp's webhooks on their way in (WHATSAPP.md section 4, DESIGN.md section 8). */
#ifndef WF_INTAKE_H
#define WF_INTAKE_H

#include "service/wf_service.h"

/* Meta sends up to 3 MB. */
#define WF_INTAKE_BODY_MAX ((size_t)3 * 1024 * 1024)
#define WF_INTAKE_CHALLENGE_MAX 256

typedef enum {
    WF_INTAKE_OK = 0,        /* 200: committed */
    WF_INTAKE_BAD_REQUEST,   /* 400: not JSON */
    WF_INTAKE_BAD_SIGNATURE, /* 401 */
    WF_INTAKE_UNAVAILABLE    /* 503: not stored; to be sent again */
} wf_intake_code_t;

typedef struct {
    wf_tenant_t *tenant;   /* from wf_admit, active or not; account_named decides whose secrets count */
    const char *signature; /* X-Hub-Signature-256, or NULL */
    const char *body;
    size_t body_len;
} wf_intake_in_t;

/* A POST. Never fails: whatever happens ends in a code, with a metric and, unless it is OK, a log line. */
wf_intake_code_t wf_intake(wf_ctx_t *ctx, const wf_service_t *service, const wf_intake_in_t *in);

/* Meta's handshake, a GET: WF_OK if `token` is the verify token of the account that the path names, or of any
 * account of the company where it names none. WF_EDENIED; WF_EUNAVAIL. */
wf_status_t wf_intake_verify(wf_ctx_t *ctx, const wf_service_t *service, const wf_tenant_t *tenant,
                             const char *token) WF_MUST_CHECK;
/* 1 for what may be sent back as a challenge: 1 to WF_INTAKE_CHALLENGE_MAX printable ASCII characters. */
int wf_intake_challenge_is(const char *challenge);

#endif
