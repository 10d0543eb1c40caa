/* L3, pure: what Stripe sends (https://docs.stripe.com/webhooks) and what follows from it for a company. */
#ifndef WF_BILLING_H
#define WF_BILLING_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"

#define WF_BILLING_TOLERANCE apr_time_from_sec(300)
/* What a company without a subscription has. */
#define WF_BILLING_PLAN_NONE "starter"
/* suspension_reason of a company that billing suspended, and may therefore activate again. */
#define WF_BILLING_REASON "payment"

/* Checks a Stripe-Signature header ("t=<seconds>,v1=<hex>[,v1=…]"; other schemes are ignored) against the
 * body as it came: WF_OK if one v1 is the HMAC-SHA256 of "t.body" under one of the secrets, and t is within
 * `tolerance` of ctx's clock. Expected failure: WF_EDENIED. */
wf_status_t wf_billing_verify(wf_ctx_t *ctx, const char *header, const wf_secret_t *secrets,
                              int secret_count, const void *body, size_t len,
                              apr_interval_time_t tolerance) WF_MUST_CHECK;

typedef enum {
    WF_BILLING_OTHER, /* kept, without effect */
    WF_BILLING_CHECKOUT,
    WF_BILLING_SUBSCRIPTION, /* created or updated */
    WF_BILLING_ENDED,        /* subscription deleted */
    WF_BILLING_PAID,
    WF_BILLING_FAILED
} wf_billing_kind_t;

/* "checkout", "subscription", …, as stored; and back (WF_BILLING_OTHER for what is none). */
const char *wf_billing_kind_name(wf_billing_kind_t kind);
wf_billing_kind_t wf_billing_kind_find(const char *name);

/* Members that were absent, or not of the form they must have, are NULL or 0. Times are Unix seconds. */
typedef struct {
    const char *id, *type;
    wf_billing_kind_t kind;
    int64_t created;
    const char *object_id;
    const char *company_id;   /* metadata.company_id or client_reference_id: a UUID */
    const char *company_slug; /* metadata.company_slug or client_reference_id: a slug */
    const char *customer_id, *subscription_id;
    const char *plan;   /* metadata.plan of the object, of its price, or the price's lookup_key */
    const char *status; /* of the subscription, in Stripe's words */
    int64_t period_end;
} wf_billing_event_t;

/* Expected failure: WF_EINVALID (not JSON, or not an event: id, type, created, data.object). */
wf_status_t wf_billing_event_parse(wf_ctx_t *ctx, wf_billing_event_t *out, const char *text,
                                   size_t len) WF_MUST_CHECK;

typedef struct {
    const char *subscription_id, *customer_id;
    const char *plan;   /* NULL: not known, leave it as it is */
    const char *status; /* active, trialing, past_due, unpaid, incomplete, canceled, … */
    int64_t period_end;
    int64_t past_due_since; /* 0: everything is paid */
    int64_t last_event_at;
} wf_billing_state_t;

/* A company's state from all its events, which are sorted in place: whatever order they came in, the same
 * comes out. `plan` of an event is the name of a plan or NULL. Where there are several subscriptions the one
 * in the best standing counts, so that a second one that fails takes nothing from a company that pays the
 * first. Returns 0 if no event says anything of a subscription. */
int wf_billing_fold(apr_pool_t *pool, wf_billing_state_t *out, wf_billing_event_t *events, int count);

#endif
