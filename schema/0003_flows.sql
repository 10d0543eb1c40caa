-- Flows and their versions, the sessions that walk them, the answers they end with.

create table wflows.flows (
    company_id uuid not null constraint flows_company_id_fkey references wflows.companies (id),
    id uuid not null,
    account_id uuid, -- null: any account of the company
    name text not null,
    display_name text not null,
    status text not null default 'active',
    active_version int,
    meta_flow_id text, -- at Meta
    meta_status text,  -- what became of it there, as far as we did it
    meta_version int,  -- of ours, that was uploaded last
    meta_published_at timestamptz,
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (company_id, id),
    constraint flows_account_id_fkey foreign key (company_id, account_id)
        references wflows.whatsapp_accounts (company_id, id),
    constraint flows_name_check check (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    constraint flows_display_name_check check (char_length(display_name) between 1 and 200),
    constraint flows_status_check check (status in ('active', 'inactive')),
    constraint flows_meta_flow_id_check check (meta_flow_id ~ '^[0-9]{5,20}$'),
    constraint flows_meta_status_check check (meta_status in ('draft', 'published', 'deprecated'))
);
create unique index flows_name_key on wflows.flows (company_id, name) where deleted_at is null;
create index flows_by_time on wflows.flows (company_id, created_at, id) where deleted_at is null;
call wflows.protect('wflows.flows');
grant select, insert, update on wflows.flows to wflows_app;
grant select, insert, update, delete on wflows.flows to wflows_platform;

create table wflows.flow_versions (
    company_id uuid not null,
    flow_id uuid not null,
    version int not null,
    flow_json text not null, -- as it was given
    logic text,
    plan text not null,      -- compiled: what the hot path reads
    created_by text,
    created_at timestamptz not null default now(),
    primary key (company_id, flow_id, version),
    constraint flow_versions_flow_id_fkey foreign key (company_id, flow_id)
        references wflows.flows (company_id, id),
    constraint flow_versions_version_check check (version >= 1),
    constraint flow_versions_flow_json_check check (octet_length(flow_json) <= 10485760),
    constraint flow_versions_logic_check check (octet_length(logic) <= 1048576)
);
alter table wflows.flows
    add constraint flows_active_version_fkey foreign key (company_id, id, active_version)
        references wflows.flow_versions (company_id, flow_id, version);
call wflows.protect('wflows.flow_versions');
-- A version is never changed: phones hold old ones, and sessions stay on the one they began with.
grant select, insert on wflows.flow_versions to wflows_app;
grant select, insert, update, delete on wflows.flow_versions to wflows_platform;

-- An enum and not a text with a CHECK: see below.
create type wflows.session_status as enum ('active', 'completed', 'cancelled', 'expired');

-- Written once per exchange, so it is kept cheap:
-- - no foreign keys: each insert would lock the rows of its company, account and flow, which all sessions
--   share;
-- - no CHECK, no generated column and no domain: PostgreSQL reads their expressions anew for every
--   statement, a seventh of a step's time. wflows.session_steps is the only writer and keeps their rules:
--   a hash of 32 bytes, steps from 1 in order, expiry_slot; the type keeps those of status;
-- - no index on a column that a step changes (updates stay on their page; expiry_slot changes once an
--   hour at most), room for them on each page.
create table wflows.flow_sessions (
    company_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    flow_id uuid not null,
    flow_name text not null,
    flow_version int not null,
    token_hash bytea not null, -- SHA-256 of the flow_token
    status wflows.session_status not null default 'active',
    step bigint not null,      -- committed steps from 1; the optimistic lock
    screen text,
    -- The JSON of wf_session_format, verbatim. Nothing in SQL reads it, so it is not parsed again as json.
    record text not null,
    data_api_version text,
    started_at timestamptz not null default now(),
    last_step_at timestamptz not null default now(),
    expires_at timestamptz not null,
    expiry_slot int,           -- the hour of expires_at, counted from 1970; NULL: not active any more
    completed_at timestamptz,
    primary key (company_id, token_hash)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
-- Only the primary key may serve a step. Where the planner knows too little (a new table, a company that
-- was small when the plan was made) it takes an index on "company_id" and more, or one "where status =
-- 'active'", to be as good, and then each step reads all sessions of the company. So there is none.
create index flow_sessions_expiry on wflows.flow_sessions (expiry_slot);
-- For lists: ids are of version 7. It does not begin with company_id either, so no step is ever served by it.
create index flow_sessions_by_flow on wflows.flow_sessions (flow_id, id);
call wflows.protect('wflows.flow_sessions');
grant select, insert, update, delete on wflows.flow_sessions to wflows_app, wflows_platform;

create table wflows.flow_responses (
    company_id uuid not null,
    id uuid not null,
    session_id uuid,
    account_id uuid, -- null: of a number the company does not have
    flow_id uuid,
    flow_name text,
    source text not null,
    message_id text,
    phone_number text, -- or the business-scoped user id of somebody who hides it
    response json not null,
    created_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint flow_responses_source_check check (source in ('endpoint', 'webhook')),
    constraint flow_responses_message_id_check check (char_length(message_id) <= 512),
    constraint flow_responses_phone_number_check check (char_length(phone_number) <= 256)
);
create unique index flow_responses_message_id_key on wflows.flow_responses (company_id, message_id)
    where message_id is not null;
create index flow_responses_by_time on wflows.flow_responses (company_id, created_at, id);
create index flow_responses_by_flow on wflows.flow_responses (company_id, flow_id, created_at, id);
create index flow_responses_by_session on wflows.flow_responses (company_id, session_id)
    where session_id is not null;
call wflows.protect('wflows.flow_responses');
grant select, insert, update, delete on wflows.flow_responses to wflows_app, wflows_platform;

-- lz4 packs a session record in a tenth of pglz's time; not every PostgreSQL is built with it.
do $$
begin
    if exists (select from pg_catalog.pg_settings
               where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
        alter table wflows.flow_sessions alter column record set compression lz4;
        alter table wflows.flow_responses alter column response set compression lz4;
        alter table wflows.flow_versions alter column flow_json set compression lz4,
                                         alter column plan set compression lz4;
    end if;
end
$$;
