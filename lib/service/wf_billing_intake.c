#include "service/wf_service.h"

static const wf_actor_t stripe = {.actor = "stripe"};

static const wf_metric_t metrics[] = {
    [WF_BILLING_DUPLICATE] = WF_METRIC_BILLING_DUPLICATE,
    [WF_BILLING_UNLINKED] = WF_METRIC_BILLING_UNLINKED,
    [WF_BILLING_STORED] = WF_METRIC_BILLING_STORED,
    [WF_BILLING_APPLIED] = WF_METRIC_BILLING_APPLIED,
};

static wf_status_t counted(const wf_service_t *service, wf_metric_t metric, wf_status_t st)
{
    wf_metric_add(service->metrics, metric, 1);
    return st;
}

wf_status_t wf_billing_intake(wf_ctx_t *ctx, const wf_service_t *service, const char *signature,
                              const wf_slice_t *body)
{
    const wf_service_conf_t *conf = &service->conf;
    wf_billing_event_t event;
    wf_billing_result_t result;
    wf_status_t st;

    if ((st = wf_billing_verify(ctx, signature, conf->stripe_secrets, conf->stripe_secret_count,
                                body->data, body->len, WF_BILLING_TOLERANCE)) != WF_OK ||
        (st = wf_billing_event_parse(ctx, &event, body->data, body->len)) != WF_OK) {
        return counted(service, WF_METRIC_BILLING_REFUSED, st);
    }
    if (wf_billing_store(ctx, &result, service->store, &event, body->data, conf->billing_grace,
                         &stripe) != WF_OK) {
        /* Whatever the reason: Stripe tries again for days. */
        return counted(service, WF_METRIC_BILLING_FAILED, WF_EUNAVAIL);
    }
    if (result == WF_BILLING_UNLINKED && event.kind != WF_BILLING_OTHER) {
        wf_log(ctx, WF_LOG_NOTICE,
               WFLOGNO(0495) "Stripe event %s (%s) names no company and none is known for its "
                             "subscription or customer: it is kept until one is",
               event.id, event.type);
    } else {
        wf_log(ctx, WF_LOG_INFO, WFLOGNO(0496) "Stripe event %s (%s) %s", event.id, event.type,
               result == WF_BILLING_DUPLICATE ? "was here before"
               : result == WF_BILLING_APPLIED ? "changed its company"
                                              : "is stored");
    }
    return counted(service, metrics[result], WF_OK);
}
