#!/usr/bin/perl
# The live server against openapi.json by public tools: requests that fast-check and json-schema-faker think up of its
# schemas go through Prism, which says where an answer is not as the document promises; and none may be a 500.
#
# WF_TEST_CONTRACT_RUNS=200   requests of each operation (8)
# WF_TEST_CONTRACT_SEED=7     what they begin with

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use File::Temp ();
use IO::Socket::INET;
use Test::More;
use Wflows::Api;
use Wflows::Flows qw(linear_flow);
use Wflows::Graph;
use Wflows::Process qw(as_user free_port read_file run spawn stop_pid wait_until write_file);
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd', 'npm');

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $tools = abs_path($ENV{WF_SRCDIR} // '.') . '/t/npm';
my $dir = File::Temp->newdir('wflows-contract-XXXXXX', TMPDIR => 1);
my $graph = Wflows::Graph->start(dir => "$dir");
my $stack = start_stack(server_directives => $graph->directives, httpd => { log_level => 'warn' });
my $acme = Wflows::Tenant->add($stack, slug => 'acme', flows => { plain => [linear_flow(['FIRST', 'SECOND'])] });
my $platform = Wflows::Api->new($stack);
my $in = "/companies/$acme->{id}";
my ($flow) = map { $_->{id} } @{ $platform->must('GET', "$in/flows")->{data} };
my $user = $platform->must('POST', "$in/users", { email => 'bo@acme.example', name => 'Bo', role => 'operador' });
my $key = $platform->must('POST', "$in/api-keys", { name => 'k', scopes => ['read:flows'] });

# ---- Prism in between -----------------------------------------------------------------------------------------------

my @prisms;
END { local $?; stop_pid($_, 'TERM', 10) for @prisms }

# Takes this document and stands in front of the server; its URL.
sub prism {
    my ($name, $doc) = @_;
    my $port = free_port();
    write_file("$dir/$name.json", $json->encode($doc), 0644);
    push @prisms, spawn(log => "$dir/$name.log", cwd => "$dir", env => { HOME => "$dir", SCARF_ANALYTICS => 'false', NO_UPDATE_NOTIFIER => 1 },
        command => [as_user(undef, 'TERM'), "$tools/node_modules/.bin/prism", 'proxy', '-h', '127.0.0.1', '-p', $port, '--validate-request', 'false',
            "$dir/$name.json", $stack->httpd->url('/api/v2')]);
    ok(wait_until(60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 1) }), "Prism takes the document ($name)")
        or diag(read_file("$dir/$name.log"));
    return "http://127.0.0.1:$port";
}

# What contract.mjs says: what was asked, and what was not as promised.
sub ask_all {
    my ($name, $url, %options) = @_;
    write_file("$dir/options.json", $json->encode({
        token => $platform->mint, seed => 0 + ($ENV{WF_TEST_CONTRACT_SEED} // 20261122),
        params => { companyId => $acme->{id}, flowId => $flow, name => 'starter', version => '1', 'flows.id' => $flow, 'users.id' => $user->{id},
            'api-keys.id' => $key->{id}, 'accounts.id' => $acme->{accounts}{main}{id}, 'sessions.id' => $flow }, %options }), 0600);
    my $ran = run(command => ['node', "$tools/contract.mjs", "$dir/$name.json", $url, "$dir/options.json"], cwd => $tools, timeout => 900);
    is($ran->{rc}, 0, "the requests are made ($name)") or diag($ran->{err});
    my @lines = map { $json->decode($_) } grep { /^\{/ } split(/\n/, $ran->{out});
    my ($end) = grep { exists $_->{asked} } @lines;
    return ($end // {}, grep { exists $_->{broken} } @lines);
}

my $doc = $platform->get('/openapi.json')->{json};
my @operations = map { map { $_->{operationId} } values %$_ } values %{ $doc->{paths} };

# ---- it does look ----------------------------------------------------------------------------------------------------

my $lie = $json->decode($json->encode($doc));
$lie->{components}{schemas}{Company}{properties}{name} = { type => 'integer' };
delete $lie->{paths}{'/companies'}{get}{responses}{422};
my ($few, @lies) = ask_all('lies', prism('lies', $lie), runs => 30, skip => [grep { !/^company_(?:list|get)$/ } @operations]);
ok(scalar(grep { "@{ $_->{broken} }" =~ /name/ } @lies), 'a document that promises another type is found out');
ok(scalar(grep { $_->{status} == 422 } @lies), 'and one that leaves a status out');

# ---- the whole ---------------------------------------------------------------------------------------------------------

# Left out is what would end the company, or the log-in that everything is asked with.
my ($end, @broken) = ask_all('openapi', prism('openapi', $doc), runs => 0 + ($ENV{WF_TEST_CONTRACT_RUNS} // 8),
    skip => [qw(company_delete company_suspend erasure_request auth_logout auth_password)]);
cmp_ok($end->{asked} // 0, '>=', 500, 'there are ' . ($end->{asked} // 0) . ': ' . join(', ', map { "$_ $end->{statuses}{$_}" } sort keys %{ $end->{statuses} // {} }));
ok(!@broken, 'every answer is as openapi.json promises, and none is the server\'s fault')
    or diag(map { '  ' . $json->encode($_) . "\n" } @broken > 25 ? @broken[0 .. 24] : @broken);
cmp_ok($end->{statuses}{$_} // 0, '>', 0, "$_ is among them") for 200, 201, 400, 404, 422;
cmp_ok(scalar @{ $end->{good} // [] }, '>=', @operations / 3, scalar @{ $end->{good} // [] } . ' of ' . @operations . ' operations have done what they were asked for');
note("@{ $end->{good} // [] }");

$graph->stop;
errlog_ok($stack);
done_testing();
