/** The guide of the first visit, with the test of the microphone. Loaded later. */
import { ConnectButton } from "@/features/connections/connect-button";
import { MicrophoneTest } from "@/features/dictation/components/microphone-test";
import { Guide } from "@/features/settings/guide";

export function FirstVisit() {
  return <Guide microphone={<MicrophoneTest />} connect={<ConnectButton />} />;
}
