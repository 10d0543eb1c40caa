-- What Stripe said, and what follows from it.
--
-- Every event is kept with the few members that count, and a company's state is derived from the whole
-- set of its events (wf_billing_fold): so neither order nor repetition of deliveries can matter. Only
-- wflows_platform writes here: the bearer of a Stripe signature is the platform.

-- Events whose company is not known (yet) have the nil UUID; an event that names the company of the same
-- subscription or customer takes them along.
create table wflows.billing_events (
    company_id uuid not null,
    id text not null, -- Stripe's: evt_…
    type text not null,
    kind text not null,
    created_at timestamptz not null, -- by Stripe's clock
    object_id text,
    stripe_customer_id text,
    stripe_subscription_id text,
    plan text constraint billing_events_plan_fkey references wflows.plans (name),
    stripe_status text,
    period_end timestamptz,
    payload json not null,
    received_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint billing_events_kind_check
        check (kind in ('checkout', 'subscription', 'ended', 'paid', 'failed', 'other'))
);
-- Across companies, for wflows_platform: is it known, and whose is it?
create index billing_events_by_id on wflows.billing_events (id);
create index billing_events_by_subscription on wflows.billing_events (stripe_subscription_id)
    where stripe_subscription_id is not null;
create index billing_events_by_customer on wflows.billing_events (stripe_customer_id)
    where stripe_customer_id is not null;
call wflows.protect('wflows.billing_events');
grant select on wflows.billing_events to wflows_app;
grant select, insert, update, delete on wflows.billing_events to wflows_platform;

-- The subscription that counts for a company, and how far its payments are.
create table wflows.billing_subscriptions (
    company_id uuid not null,
    stripe_customer_id text,
    stripe_subscription_id text,
    plan text constraint billing_subscriptions_plan_fkey references wflows.plans (name),
    status text not null,
    period_end timestamptz,
    past_due_since timestamptz, -- the first payment that failed since the last that did not
    suspended_for timestamptz,  -- the past_due_since for which the company was suspended: once only
    last_event_at timestamptz not null,
    updated_at timestamptz not null default now(),
    primary key (company_id),
    constraint billing_subscriptions_company_id_fkey foreign key (company_id)
        references wflows.companies (id)
);
create index billing_subscriptions_past_due on wflows.billing_subscriptions (past_due_since)
    where past_due_since is not null;
call wflows.protect('wflows.billing_subscriptions');
grant select on wflows.billing_subscriptions to wflows_app;
grant select, insert, update, delete on wflows.billing_subscriptions to wflows_platform;
