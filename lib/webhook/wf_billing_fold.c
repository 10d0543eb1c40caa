#include "webhook/wf_billing.h"

#include <stdlib.h>
#include <string.h>

/* What counts more among a company's subscriptions. */
typedef enum { STANDING_INCOMPLETE, STANDING_LAPSED, STANDING_PAST_DUE, STANDING_GOOD } standing_t;

typedef struct {
    wf_billing_state_t state;
    int64_t begun; /* its first event */
    int64_t status_at, paid_at;
    int ended;
    standing_t standing;
} subscription_t;

static int is_one_of(const char *word, const char *const *words)
{
    for (; word && *words; words++) {
        if (strcmp(word, *words) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_good(const char *status)
{
    static const char *const words[] = {"active", "trialing", NULL};
    return is_one_of(status, words);
}

static int is_overdue(const char *status)
{
    static const char *const words[] = {"past_due", "unpaid", NULL};
    return is_one_of(status, words);
}

static int is_lapsed(const char *status)
{
    static const char *const words[] = {"canceled", "incomplete_expired", "paused", NULL};
    return is_one_of(status, words);
}

static int is_incomplete(const char *status)
{
    static const char *const words[] = {"incomplete", NULL};
    return is_one_of(status, words);
}

/* Stripe's times are whole seconds: of events of the same one, the later in this order counts. A status
 * that was good when the payment failed was the one before it; a payment settles what failed before it. */
static int rank_of(const wf_billing_event_t *e)
{
    switch (e->kind) {
    case WF_BILLING_CHECKOUT:
        return 1;
    case WF_BILLING_SUBSCRIPTION:
        if (strcmp(e->type, "customer.subscription.created") == 0) {
            return 2;
        }
        return is_overdue(e->status) ? 5 : 3;
    case WF_BILLING_FAILED:
        return 4;
    case WF_BILLING_PAID:
        return 6;
    case WF_BILLING_ENDED:
        return 7;
    case WF_BILLING_OTHER:
        break;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const wf_billing_event_t *x = a, *y = b;
    int by_subscription = strcmp(x->subscription_id ? x->subscription_id : "",
                                 y->subscription_id ? y->subscription_id : "");

    if (by_subscription != 0) {
        return by_subscription;
    }
    if (x->created != y->created) {
        return x->created < y->created ? -1 : 1;
    }
    return rank_of(x) != rank_of(y) ? rank_of(x) - rank_of(y) : strcmp(x->id, y->id);
}

static void set_status(subscription_t *s, const wf_billing_event_t *e)
{
    if (s->ended || !e->status) {
        return; /* a subscription that was deleted never comes back */
    }
    s->state.status = e->status;
    s->status_at = e->created;
    if (is_good(e->status)) {
        s->state.past_due_since = 0;
    } else if (is_overdue(e->status) && !s->state.past_due_since) {
        s->state.past_due_since = e->created;
    }
}

static void apply(subscription_t *s, const wf_billing_event_t *e)
{
    s->state.last_event_at = e->created;
    if (e->customer_id) {
        s->state.customer_id = e->customer_id;
    }
    if (e->plan) {
        s->state.plan = e->plan;
    }
    switch (e->kind) {
    case WF_BILLING_CHECKOUT:
        /* Only where the subscription has not spoken for itself. */
        if (!s->state.status || is_incomplete(s->state.status)) {
            set_status(s, e);
        }
        break;
    case WF_BILLING_SUBSCRIPTION:
        set_status(s, e);
        if (e->period_end) {
            s->state.period_end = e->period_end;
        }
        break;
    case WF_BILLING_ENDED:
        s->ended = 1;
        s->state.status = "canceled";
        break;
    case WF_BILLING_PAID:
        s->state.past_due_since = 0;
        s->paid_at = e->created;
        break;
    case WF_BILLING_FAILED:
        if (!s->state.past_due_since) {
            s->state.past_due_since = e->created;
        }
        break;
    case WF_BILLING_OTHER:
        break;
    }
}

/* Where payments and Stripe's word for it differ, one of them is still on its way: the payments count. */
static void settle(subscription_t *s)
{
    wf_billing_state_t *state = &s->state;

    if (!state->status || (is_incomplete(state->status) && s->paid_at >= s->status_at)) {
        state->status = "active";
    }
    if (is_incomplete(state->status)) {
        /* Not bought yet: a first payment that fails costs the company nothing. */
        state->past_due_since = 0;
        state->plan = NULL;
        s->standing = STANDING_INCOMPLETE;
    } else if (is_lapsed(state->status)) {
        /* What was owed then is owed still: past_due_since stays. */
        state->plan = WF_BILLING_PLAN_NONE;
        s->standing = STANDING_LAPSED;
    } else if (state->past_due_since) {
        if (!is_overdue(state->status)) {
            state->status = "past_due";
        }
        s->standing = STANDING_PAST_DUE;
    } else {
        if (is_overdue(state->status)) {
            state->status = "active";
        }
        s->standing = STANDING_GOOD;
    }
}

static int is_better(const subscription_t *a, const subscription_t *b)
{
    if (a->standing != b->standing) {
        return a->standing > b->standing;
    }
    if (a->begun != b->begun) {
        return a->begun > b->begun;
    }
    return strcmp(a->state.subscription_id, b->state.subscription_id) > 0;
}

int wf_billing_fold(apr_pool_t *pool, wf_billing_state_t *out, wf_billing_event_t *events, int count)
{
    subscription_t best, s;
    int64_t last = 0;
    int found = 0, i = 0;

    memset(out, 0, sizeof(*out));
    memset(&best, 0, sizeof(best));
    qsort(events, (size_t)count, sizeof(*events), compare);
    while (i < count) {
        const char *id = events[i].subscription_id;

        if (!id || events[i].kind == WF_BILLING_OTHER) {
            i++; /* a bill for something else */
            continue;
        }
        memset(&s, 0, sizeof(s));
        s.state.subscription_id = id;
        s.begun = events[i].created;
        for (; i < count && events[i].subscription_id &&
               strcmp(events[i].subscription_id, id) == 0;
             i++) {
            apply(&s, &events[i]);
        }
        settle(&s);
        last = s.state.last_event_at > last ? s.state.last_event_at : last;
        if (!found || is_better(&s, &best)) {
            best = s;
        }
        found = 1;
    }
    *out = best.state;
    out->last_event_at = last;
    return found;
}
