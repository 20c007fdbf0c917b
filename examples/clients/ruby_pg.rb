require "json"
require "pg"

db = PG.connect
db.type_map_for_results = PG::BasicTypeMapForResults.new(db)
secret = ENV.fetch("SECRET")
verify = "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)"
token = db.exec_params(verify, [secret, "acme.example"]).first
metadata = token["metadata"]
metadata = JSON.parse(metadata) if metadata.is_a?(String)
puts "#{token["code"]} #{metadata["plan"]}"

create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)"
scopes = PG::TextEncoder::Array.new.encode(["email:read"])
puts db.exec_params(create, [1, scopes, { plan: "free" }.to_json]).getvalue(0, 0)

db.transaction do
  code = db.exec_params("SELECT code FROM token_auth.authenticate($1)", [secret]).getvalue(0, 0)
  puts "#{code} #{db.exec("SELECT count(*) FROM message").getvalue(0, 0)}"
end

begin
  db.exec_params("SELECT token_auth.pause_token($1, account_id => $2)", [1, nil])
rescue PG::Error => error
  puts "#{error.result.error_field(PG::PG_DIAG_SQLSTATE)} #{error.result.error_field(PG::PG_DIAG_CONSTRAINT_NAME)}"
end
