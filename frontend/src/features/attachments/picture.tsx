/** A picture on a canvas: the page's policy allows none but those of addresses, which send no token. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { keys } from "@/shared/api/queries";
import { useServices } from "@/shared/services";

import { attachmentPath } from "./server";

/** No screen shows more of a picture at once. */
const MAX_SIDE_PX = 2560;

/** A part of an attachment as the server keeps it: the file, its thumbnail. */
export function useAttachmentPart(id: string, part: "content" | "thumbnail", isWanted = true) {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.attachment(id, part),
    queryFn: async ({ signal }) => (await api.response(attachmentPath(id, part), { signal })).blob(),
    enabled: isWanted,
    staleTime: Infinity, // it never changes
    retry: 1,
  });
}

interface PictureProps {
  /** Null while it is on its way. */
  blob: Blob | null;
  /** What it shows, for who does not see it. */
  label: string;
  className: string;
  /** Called where the browser cannot read it. */
  onFailed?: () => void;
}

export function Picture({ blob, label, className, onFailed }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [isDrawn, setDrawn] = useState(false);
  const failed = useRef(onFailed);
  useEffect(() => void (failed.current = onFailed));
  useEffect(() => {
    if (blob === null) return;
    let isShown = true;
    void readPicture(blob).then(
      (bitmap) => {
        if (isShown && canvas.current !== null) draw(canvas.current, bitmap);
        if (isShown) setDrawn(true);
        bitmap.close();
      },
      () => isShown && failed.current?.(),
    );
    return () => void (isShown = false);
  }, [blob]);
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      aria-busy={!isDrawn}
      data-drawn={isDrawn}
      className={className}
    />
  );
}

async function readPicture(blob: Blob): Promise<ImageBitmap> {
  const whole = await createImageBitmap(blob);
  const scale = MAX_SIDE_PX / Math.max(whole.width, whole.height);
  if (scale >= 1) return whole;
  const options = { resizeWidth: Math.round(whole.width * scale), resizeQuality: "high" } as const;
  const small = await createImageBitmap(whole, options);
  whole.close();
  return small;
}

function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
}
