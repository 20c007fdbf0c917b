import java.sql.*;
import org.postgresql.util.PSQLException;

public class Jdbc {
    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(System.getenv("JDBC_URL"))) {
            String secret = System.getenv("SECRET");
            try (PreparedStatement verify = connection.prepareStatement(
                    "SELECT code, metadata ->> 'plan' AS plan FROM token_auth.verify_token(?, 'email:read', ?)")) {
                verify.setString(1, secret);
                verify.setString(2, "acme.example");
                ResultSet row = verify.executeQuery();
                row.next();
                System.out.println(row.getString("code") + " " + row.getString("plan"));
            }
            try (PreparedStatement create = connection.prepareStatement(
                    "SELECT name FROM token_auth.create_token(?, 'made', ?, all_domains => true, metadata => ?::jsonb)")) {
                create.setLong(1, 1);
                create.setArray(2, connection.createArrayOf("text", new String[] {"email:read"}));
                create.setString(3, "{\"plan\": \"free\"}");
                ResultSet row = create.executeQuery();
                row.next();
                System.out.println(row.getString("name"));
            }
            connection.setAutoCommit(false);
            try (PreparedStatement authenticate = connection.prepareStatement(
                        "SELECT code FROM token_auth.authenticate(?)");
                 PreparedStatement count = connection.prepareStatement("SELECT count(*) FROM message")) {
                authenticate.setString(1, secret);
                ResultSet code = authenticate.executeQuery();
                code.next();
                ResultSet rows = count.executeQuery();
                rows.next();
                System.out.println(code.getString(1) + " " + rows.getLong(1));
            }
            connection.commit();
            try (PreparedStatement pause = connection.prepareStatement(
                    "SELECT token_auth.pause_token(?, account_id => ?)")) {
                pause.setLong(1, 1);
                pause.setNull(2, Types.BIGINT);
                pause.executeQuery();
            } catch (PSQLException error) {
                System.out.println(error.getSQLState() + " " + error.getServerErrorMessage().getConstraint());
            }
        }
    }
}
