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
    constraint outbox_idempotency_key_key unique (company_id, consumer, idempotency_key),
    constraint outbox_consumer_check check (consumer ~ '^[a-z][a-z0-9_-]{0,31}$'),
    constraint outbox_event_type_check check (event_type ~ '^[a-z0-9_.-]{1,64}$'),
    constraint outbox_idempotency_key_check check (char_length(idempotency_key) between 1 and 512),
    constraint outbox_status_check check (status in ('pending', 'leased', 'done', 'dead')),
    constraint outbox_lease_check check ((status = 'leased') = (lease_until is not null)
                                        and (status = 'leased') = (lease_owner is not null)),
    constraint outbox_attempts_check check (attempts >= attempts_before and attempts_before >= 0)
) with (
    -- Every row dies twice on its way to 'done', and the dead ones lie where claims look.
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
-- After the other constraint: between indexes that seem equal, as all do in an empty table, the planner takes the one
-- made last, and a connection looks rows up (for their foreign key too) with what it took for as long as it lives.
alter table wflows.outbox add constraint outbox_pkey primary key (company_id, id);
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

-- The same by day, in UTC, for reports: nothing is decided by it.
create table wflows.usage_days (
    company_id uuid not null,
    day date not null,
    metric text not null,
    n bigint not null default 0,
    primary key (company_id, day, metric),
    constraint usage_days_metric_check check (metric ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    constraint usage_days_n_check check (n >= 0)
) with (fillfactor = 70);
call wflows.protect('wflows.usage_days');
grant select, insert, update on wflows.usage_days to wflows_app;
grant select, insert, update, delete on wflows.usage_days to wflows_platform;

-- Where each company's chain of audit rows ends: what is cut off its end is missed by this. The row is locked
-- from an insert to its commit, so the audit rows of one company take turns.
create table wflows.audit_heads (
    company_id uuid not null,
    seq bigint not null,
    hash bytea not null,
    primary key (company_id)
) with (fillfactor = 70);
call wflows.protect('wflows.audit_heads');
grant select, insert, update on wflows.audit_heads to wflows_app, wflows_platform;

-- Kept when the company goes, so without a foreign key. Rows of the platform itself have the nil UUID.
-- Nobody but the owner may change or delete a row, and if he does, the chain is broken
-- (`wflowsctl audit verify`, lib/store/wf_audit_chain.c, which computes all of it anew):
--   details_hash = SHA-256(salt, the members that may be about a person)
--   hash         = SHA-256(hash of the row before, the other members with details_hash)
-- Erasing a company blanks the members of the first kind and the salt. The chain still holds, and without
-- the salt nobody finds out by trying what was hashed.
create table wflows.audit_logs (
    company_id uuid not null,
    id uuid not null,
    user_id uuid,
    actor text not null, -- erased: what stands before its colon
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
    -- by audit_chain, whatever an insert says
    seq bigint not null,
    salt bytea, -- null: erased
    details_hash bytea not null,
    hash bytea not null,
    primary key (company_id, id),
    constraint audit_logs_seq_key unique (company_id, seq),
    constraint audit_logs_action_check check (action ~ '^[a-z_]+\.[a-z_]+$')
);
create index audit_logs_by_time on wflows.audit_logs (company_id, created_at, id);
call wflows.protect('wflows.audit_logs');
grant select, insert on wflows.audit_logs to wflows_app, wflows_platform;

-- Every value with its length in bytes, so that no two lists of values look the same.
create function wflows.audit_text(variadic p_values text[]) returns bytea
language sql immutable parallel safe
return (select convert_to(string_agg(coalesce(octet_length(v.value) || ':' || v.value, '-'), ','
                                     order by v.number), 'UTF8')
        from unnest(p_values) with ordinality v (value, number));

create function wflows.audit_chain() returns trigger
language plpgsql
as $$
declare
    v_before bytea;
begin
    new.salt := uuid_send(gen_random_uuid());
    new.details_hash := sha256(new.salt || wflows.audit_text(
        new.actor, new.user_id::text, new.resource_id, new.ip_address, new.user_agent, new.request_id,
        new.old_values::text, new.new_values::text, new.metadata::text));
    insert into wflows.audit_heads as h (company_id, seq, hash)
    values (new.company_id, 1, decode(repeat('00', 32), 'hex'))
    on conflict (company_id) do update set seq = h.seq + 1
    returning h.seq, h.hash into new.seq, v_before;
    new.hash := sha256(v_before || wflows.audit_text(
        'wfa1', new.company_id::text, new.seq::text, new.id::text, wflows.time_us(new.created_at)::text,
        split_part(new.actor, ':', 1), new.action, new.resource_type, encode(new.details_hash, 'hex')));
    update wflows.audit_heads set hash = new.hash where company_id = new.company_id;
    return new;
end
$$;
create trigger audit_chain before insert on wflows.audit_logs
    for each row execute function wflows.audit_chain();
revoke execute on function wflows.audit_text(text[]), wflows.audit_chain() from public;
grant execute on function wflows.audit_text(text[]) to wflows_app, wflows_platform;
