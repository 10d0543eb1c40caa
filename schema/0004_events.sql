-- What comes in (webhook_events), what has to go out (outbox), what was counted, who did what.

create table wflows.webhook_events (
    company_id uuid not null,
    id uuid not null,
    account_id uuid, -- null: unrouted
    waba_id text,
    phone_number_id text,
    event_type text not null,
    dedup_key text not null, -- message id, status id + status, or a hash: see DESIGN.md section 8
    payload json not null,
    status text not null default 'received',
    error text,
    received_at timestamptz not null default now(),
    processed_at timestamptz,
    primary key (company_id, id),
    constraint webhook_events_dedup_key_key unique (company_id, dedup_key),
    constraint webhook_events_event_type_check check (event_type ~ '^[a-z0-9_.-]{1,64}$'),
    constraint webhook_events_dedup_key_check check (char_length(dedup_key) between 1 and 512),
    constraint webhook_events_status_check check (status in ('received', 'processed', 'failed', 'unrouted'))
);
create index webhook_events_by_time on wflows.webhook_events (company_id, received_at, id);
call wflows.protect('wflows.webhook_events');
grant select, insert, update, delete on wflows.webhook_events to wflows_app, wflows_platform;

-- One row for each thing to do. A claim visits the endpoints that have something due, one index probe
-- each, and never looks at what is not due yet: a backlog of any size and shape costs it nothing.
create table wflows.outbox (
    company_id uuid not null,
    id uuid not null,
    consumer text not null, -- 'cache', 'callback', 'media'
    account_id uuid,
    endpoint uuid not null -- what a claim is fair to: the account; nil: the company
        generated always as (coalesce(account_id, '00000000-0000-0000-0000-000000000000')) stored,
    event_type text not null,
    payload json not null,
    idempotency_key text not null,
    status text not null default 'pending',
    due boolean not null default true, -- false: waits for next_attempt_at, then a claim turns it
    attempts int not null default 0,
    attempts_before int not null default 0, -- those made before it was sent again by hand
    next_attempt_at timestamptz not null default now(),
    lease_until timestamptz,
    lease_owner text, -- of one claim, not of one process: a lease that was lost is nobody's
    last_error text,
    created_at timestamptz not null default now(),
    done_at timestamptz, -- or given up
    primary key (company_id, id),
    constraint outbox_idempotency_key_key unique (company_id, consumer, idempotency_key),
    constraint outbox_consumer_check check (consumer ~ '^[a-z][a-z0-9_-]{0,31}$'),
    constraint outbox_event_type_check check (event_type ~ '^[a-z0-9_.-]{1,64}$'),
    constraint outbox_idempotency_key_check check (char_length(idempotency_key) between 1 and 512),
    constraint outbox_status_check check (status in ('pending', 'leased', 'done', 'dead')),
    constraint outbox_lease_check check ((status = 'leased') = (lease_until is not null)),
    constraint outbox_attempts_check check (attempts >= attempts_before and attempts_before >= 0)
) with (
    -- Every row dies twice on its way to 'done', and the dead ones lie where claims look.
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
create index outbox_due on wflows.outbox (consumer, company_id, endpoint, next_attempt_at)
    where status = 'pending' and due;
create index outbox_waiting on wflows.outbox (consumer, next_attempt_at)
    where status = 'pending' and not due;
create index outbox_leased on wflows.outbox (consumer, lease_until) where status = 'leased';
create index outbox_finished on wflows.outbox (company_id, created_at) where status in ('done', 'dead');
-- What is put in for later is not due, whoever puts it in.
create function wflows.outbox_not_due() returns trigger
language plpgsql
as $$
begin
    new.due := false;
    return new;
end
$$;
create trigger outbox_not_due before insert on wflows.outbox
    for each row when (new.due and new.next_attempt_at > now())
    execute function wflows.outbox_not_due();
call wflows.protect('wflows.outbox');
create policy worker_claim on wflows.outbox to wflows_worker using (true) with check (true);
grant select, insert, update, delete on wflows.outbox to wflows_app, wflows_platform;
grant select, update (status, due, lease_until, lease_owner) on wflows.outbox to wflows_worker;

create table wflows.outbox_attempts (
    company_id uuid not null,
    outbox_id uuid not null,
    attempt int not null,
    started_at timestamptz not null default now(),
    duration_ms int,
    status_code int,
    error text,
    response_body bytea, -- its first 16 kB, redacted
    primary key (company_id, outbox_id, attempt),
    constraint outbox_attempts_outbox_id_fkey foreign key (company_id, outbox_id)
        references wflows.outbox (company_id, id) on delete cascade,
    constraint outbox_attempts_attempt_check check (attempt >= 1),
    constraint outbox_attempts_response_body_check check (octet_length(response_body) <= 16384)
);
call wflows.protect('wflows.outbox_attempts');
grant select, insert, update, delete on wflows.outbox_attempts to wflows_app, wflows_platform;

create table wflows.usage_counters (
    company_id uuid not null,
    month text not null, -- '2026-11'
    metric text not null,
    n bigint not null default 0,
    primary key (company_id, month, metric),
    constraint usage_counters_month_check check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    constraint usage_counters_metric_check check (metric ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    constraint usage_counters_n_check check (n >= 0)
) with (fillfactor = 70);
call wflows.protect('wflows.usage_counters');
grant select, insert, update on wflows.usage_counters to wflows_app;
grant select, insert, update, delete on wflows.usage_counters to wflows_platform;

-- Kept when the company goes, so without a foreign key. Rows of the platform itself have the nil UUID.
-- Nobody but the owner may change or delete a row.
create table wflows.audit_logs (
    company_id uuid not null,
    id uuid not null,
    user_id uuid,
    actor text not null,
    action text not null,
    resource_type text not null,
    resource_id text,
    ip_address text,
    user_agent text,
    request_id text,
    old_values json,
    new_values json,
    metadata json,
    created_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint audit_logs_action_check check (action ~ '^[a-z_]+\.[a-z_]+$')
);
create index audit_logs_by_time on wflows.audit_logs (company_id, created_at, id);
call wflows.protect('wflows.audit_logs');
grant select, insert on wflows.audit_logs to wflows_app, wflows_platform;
