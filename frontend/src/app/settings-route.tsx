/** The settings, with the parts that come from other features. Loaded later. */
import { KeysSection } from "@/features/accounts/keys-section";
import { useMe } from "@/features/accounts/use-me";
import { ConnectionsSection } from "@/features/connections/connections-section";
import { MicrophoneTest } from "@/features/dictation/components/microphone-test";
import { ImportSection } from "@/features/importing/import-section";
import { SettingsPage } from "@/features/settings/settings-page";
import { SharesSection } from "@/features/sharing/shares-section";

export function SettingsRoute() {
  const me = useMe();
  const account = me.data?.mode === "accounts" && me.data.via === "session" ? <KeysSection /> : null;
  const canShare = me.data?.mode === "accounts" && me.data.role === "admin";
  return (
    <SettingsPage
      microphone={<MicrophoneTest />}
      connections={<ConnectionsSection canShare={canShare} />}
      shares={me.data === undefined ? null : <SharesSection isOff={me.data.sharing === "off"} />}
      importing={<ImportSection />}
      account={account}
    />
  );
}
