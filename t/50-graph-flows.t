#!/usr/bin/perl
# Flows at Meta, through the API: created or updated, uploaded, published, deprecated; what Meta finds wrong comes back
# with its place; and a step that fails is gone on from.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dir = tempdir(CLEANUP => 1);
my $token = 'EAAGaccesstoken0123456789';
my $graph = Wflows::Graph->start(dir => $dir, token => $token);
my $stack = start_stack(server_directives => $graph->directives);
$stack->{known_secrets}{'access token'} = $token;
my $dbh = $stack->dbh;
my $acme = Wflows::Tenant->add($stack, slug => 'acme');
my $other = Wflows::Tenant->add($stack, slug => 'other', flows => { plain => [linear_flow(['FIRST', 'SECOND'])] });
my $account = $acme->{accounts}{main};
my ($waba) = $dbh->selectrow_array('select waba_id from wflows.whatsapp_accounts where id = ?', undef, $account->{id});
$graph->add_number($account->{phone_number_id}, waba => $waba);
my $platform = Wflows::Api->new($stack);
my %as = map { $_ => $platform->as(role => $_, company => $acme->{id}) } qw(admin gestor operador);
my $base = "/companies/$acme->{id}";
my $document = linear_flow(['FIRST', 'SECOND']);
my $flow = $as{gestor}->must('POST', "$base/flows", { name => 'plain', flow_json => $document, activate => Cpanel::JSON::XS::true });
my $path = "$base/flows/$flow->{id}";

sub status_is {
    my ($r, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($r->{status}, $status, $name) or diag($r->{body});
    return $r->{json};
}

sub refused_with {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // '-'), "$status $code", $name) or diag($r->{body});
    return $r->{json};
}

sub stored { return $as{gestor}->must('GET', $path) }
sub new_steps { my ($before) = @_; my @all = $graph->steps; return join(' ', @all[$before .. $#all]) }

# ---- what stops before Meta is asked --------------------------------------------------------------------------

refused_with($as{operador}->post("$path/publish", {}), 403, 'forbidden', 'an operador does not publish');
is(Wflows::Api::pointers($as{gestor}->post("$path/publish", { version => 0, name => '', categories => ['X'], endpoint_uri => 'x', meta_flow_id => 'x', draft => 1, account_id => 'x', application_id => 1, colour => 1 })),
    '/account_id /application_id /categories /colour /draft /endpoint_uri /meta_flow_id /name /version', 'every bad member is named');
is(Wflows::Api::pointers($as{gestor}->post("$path/publish", { version => 7 })), '/version', 'a version that is not there');
is(Wflows::Api::pointers($as{gestor}->post("$path/publish", { account_id => $other->{accounts}{main}{id} })), '/account_id', 'an account of another company is not there');
refused_with($as{gestor}->post("$path/publish"), 409, 'access_token_missing', 'no access token');
$as{admin}->must('PATCH', "$base/whatsapp-accounts/$account->{id}", { access_token => $token });
refused_with($as{gestor}->post("$path/deprecate"), 409, 'flow_not_published', 'what is not at Meta is not deprecated');
ok(!$graph->steps, 'Meta was not asked');

# ---- published -------------------------------------------------------------------------------------------------

$graph->fail(flow_create => (code => 100, message => '(#100) Invalid parameter', user_msg => 'Choose another name for the flow.'));
my $r = $as{gestor}->post("$path/publish");
refused_with($r, 422, 'meta_invalid_request', 'what Meta finds wrong with the request');
is($r->{json}{detail}, 'Meta: Choose another name for the flow. (code 100)', 'is told in Meta\'s words for people');
is(stored()->{meta_flow_id}, undef, 'nothing is kept of it');
$graph->fail('flow_create');

my $before = () = $graph->steps;
$r = $as{gestor}->post("$path/publish", { categories => ['SURVEY', 'OTHER'] });
refused_with($r, 409, 'meta_flow_refused', 'Meta does not publish a flow without its conditions');
like($r->{json}{detail}, qr/no number of the WABA has a public key|endpoint_uri/, 'and says which is missing');
is(new_steps($before), 'flow_create flow_assets flow_publish', 'it was created and uploaded');
my $kept = stored();
is_deeply([@$kept{qw(meta_status meta_version meta_published_at)}], ['draft', 1, undef], 'which is kept');
my $meta = $graph->flow($kept->{meta_flow_id});
is_deeply([@$meta{qw(name categories waba)}], ['plain', ['SURVEY', 'OTHER'], $waba], 'with its name and categories');
is_deeply($json->decode($meta->{flow_json}), $document, 'and the JSON');

$stack->ctl('key', 'register', '--company', 'acme', '--account', 'main');
$before = () = $graph->steps;
my $doc = status_is($as{gestor}->post("$path/publish", { endpoint_uri => 'https://flows.invalid/company/acme/flows/endpoint/plain' }), 200, 'published');
is(new_steps($before), 'flow_update flow_assets flow_publish', 'the flow that is there was updated and no second one made');
is_deeply([@$doc{qw(meta_status meta_version meta_flow_id)}, !!$doc->{meta_published_at}], ['published', 1, $kept->{meta_flow_id}, 1], 'the flow tells so');
is($graph->flow($kept->{meta_flow_id})->{status}, 'PUBLISHED', 'as does Meta');

# ---- what Meta finds wrong in the JSON -----------------------------------------------------------------------------

$as{gestor}->must('PATCH', $path, { flow_json => linear_flow(['FIRST', 'THIRD']), activate => Cpanel::JSON::XS::true });
$graph->validation_errors(
    { error => 'INVALID_PROPERTY_KEY', error_type => 'FLOW_JSON_ERROR', message => 'The property is not known.', line_start => 3, line_end => 3, column_start => 5, column_end => 9,
        pointers => [{ line_start => 3, line_end => 3, column_start => 5, column_end => 9, path => 'screens[0].layout.children[1]' },
            { line_start => 7, line_end => 7, column_start => 1, column_end => 2, path => "screens[1].data['a/b~c']" }] },
    { error => 'INVALID_PROPERTY', error_type => 'JSON_SCHEMA_ERROR', message => 'Too old.', line_start => 46, column_start => 17 },
    { error => 'X', message => 'No place.' });
$r = $as{gestor}->post("$path/publish");
refused_with($r, 422, 'meta_validation_failed', 'a JSON that Meta refuses');
is_deeply($r->{json}{errors}, [
    { pointer => '/flow_json/screens/0/layout/children/1', message => 'The property is not known. (INVALID_PROPERTY_KEY, line 3, column 5)' },
    { pointer => "/flow_json/screens/1/data/'a~1b~0c'", message => 'The property is not known. (INVALID_PROPERTY_KEY, line 7, column 1)' },
    { pointer => '/flow_json', message => 'Too old. (INVALID_PROPERTY, line 46, column 17)' },
    { pointer => '/flow_json', message => 'No place. (X)' }], 'each error with its place');
is_deeply([@{ stored() }{qw(meta_status meta_version)}], ['draft', 2], 'it is a draft at Meta, of the version that was uploaded');
$graph->validation_errors();
$doc = status_is($as{gestor}->post("$path/publish", { draft => Cpanel::JSON::XS::true, version => 1 }), 200, 'an older version, as a draft');
is_deeply([@$doc{qw(meta_status meta_version)}], ['draft', 1], 'is uploaded and not published');
status_is($as{gestor}->post("$path/publish"), 200, 'the active one is published');
is_deeply([@{ stored() }{qw(meta_status meta_version)}], ['published', 2], 'and kept');

# ---- outages, deprecation ----------------------------------------------------------------------------------------------

$graph->fail(flow_assets => (drop => 1));
refused_with($as{gestor}->post("$path/publish"), 503, 'meta_unavailable', 'a Meta that does not answer is an outage');
$graph->fail(flow_assets => (code => 4, message => '(#4) Application request limit reached'));
refused_with($as{gestor}->post("$path/publish"), 503, 'meta_rate_limited', 'as is one that has had enough');
$graph->fail('flow_assets');
refused_with($as{operador}->post("$path/deprecate"), 403, 'forbidden', 'an operador does not deprecate');
is(status_is($as{gestor}->post("$path/deprecate"), 200, 'deprecated')->{meta_status}, 'deprecated', 'the flow tells so');
is($graph->flow($kept->{meta_flow_id})->{status}, 'DEPRECATED', 'as does Meta');
refused_with($as{gestor}->post("$path/deprecate"), 409, 'meta_flow_refused', 'once');
$doc = status_is($as{gestor}->post("$path/publish", { name => 'plain 2', endpoint_uri => 'https://flows.invalid/x' }), 200, 'published again');
isnt($doc->{meta_flow_id}, $kept->{meta_flow_id}, 'it is another flow at Meta: a deprecated one is gone for good');
$doc = status_is($as{gestor}->post("$path/publish", { meta_flow_id => $doc->{meta_flow_id}, draft => Cpanel::JSON::XS::true }), 200, 'a flow of Meta\'s can be named');
refused_with($platform->as(role => 'gestor', company => $other->{id})->post("$path/publish"), 404, 'not_found', 'another company does not see it');

my $audits = join(' ', map { $_->[0] } @{ $dbh->selectall_arrayref(q{select distinct action from wflows.audit_logs where resource_id = ? and action like 'flow.meta%' order by 1}, undef, $flow->{id}) });
is($audits, 'flow.meta_deprecated flow.meta_draft flow.meta_published', 'all of it is audited');
is_deeply([$graph->complaints], [], 'Meta has nothing to complain of');
$graph->stop;
errlog_ok($stack, ignore => ['WF0118', 'WF0660'], expect => ['WF0118', 'WF0660']);
done_testing();
